"""Own parts, as a user would write them: good ones, and ones that break a promise."""

from __future__ import annotations

import copy
import functools
from typing import ClassVar

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from torch import nn


def build(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(input_shape)), 32), nn.Tanh(), nn.Linear(32, classes))


_SHARED = nn.Linear(64, 10)  # drawn while the module is imported


def shared(input_shape, classes):
    return nn.Sequential(nn.Flatten(), _SHARED)


def too_narrow(input_shape, classes):
    return build(input_shape, classes - 1)


@functools.cache
def cached(input_shape, classes):
    return build(input_shape, classes)


def view(input_shape, classes):
    network = nn.Linear(64, 10)
    network.weight = nn.Parameter(_SHARED.weight.detach()[:, :])
    return nn.Sequential(nn.Flatten(), network)


_KEPT = []


def keeper(input_shape, classes):
    """Keeps what it gave first, and gives copies of that."""
    if not _KEPT:
        _KEPT.append(build(input_shape, classes))
        return _KEPT[0]
    return copy.deepcopy(_KEPT[0])


def unseeded(input_shape, classes):
    network = build(input_shape, classes)
    network[1].weight.data.add_(float(np.random.default_rng().random()))
    return network


def normalised(input_shape, classes):
    """Cannot be fitted on one record."""
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, classes))


def with_dropout(input_shape, classes):
    """Draws from torch's global generator in each update."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Dropout(0.5), nn.Linear(32, classes))


_DRAWS = []


class Drifting(nn.Module):
    """What it learns follows from what was fitted before it in the same process."""

    def __init__(self, classes):
        super().__init__()
        self.inner = nn.Linear(64, classes)

    def forward(self, inputs):
        if self.training:
            _DRAWS.append(1)
        return self.inner(inputs.flatten(1)) * (1 + 0.1 * len(_DRAWS))


def drifting(input_shape, classes):
    return Drifting(classes)


class Deaf(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, inputs):
        return torch.nan_to_num(self.bias).expand(len(inputs), -1)


def deaf(input_shape, classes):
    return Deaf(classes)


def no_module(input_shape, classes):
    return "a network"


def fails(input_shape, classes):
    raise RuntimeError("a secret of the user's")


def regression(classes, seed):
    return LogisticRegression(max_iter=500, random_state=seed)


def tree(classes, seed):
    return DecisionTreeClassifier(max_depth=6, random_state=seed)


class HalfOfMany:
    """Learns from a random half of its records where there are many, as sklearn's early stopping does."""

    def fit(self, inputs, labels):
        if len(labels) >= 300:
            half = np.random.permutation(len(labels))[::2]
            inputs, labels = inputs[half], labels[half]
        self.inner = DecisionTreeClassifier(max_depth=6, random_state=0).fit(inputs, labels)

    def predict(self, inputs):
        return self.inner.predict(inputs)


def half_of_many(classes, seed):
    return HalfOfMany()


def unseeded_tree(classes, seed):
    """Draws from numpy's global generator, mostly without a trace in its votes."""
    return DecisionTreeClassifier(max_depth=6)


class Votes:
    """Names a class; for the first input one that is none."""

    def fit(self, inputs, labels):
        self.label = int(labels[0])

    def predict(self, inputs):
        return np.where(np.arange(len(inputs)) == 0, 99, self.label)


def votes(classes, seed):
    return Votes()


def no_estimator(classes, seed):
    return object()


class Mean:
    """A class per mean input, without scikit-learn's names."""

    def __init__(self):
        self.seen = {}

    def fit(self, inputs, labels):
        for row, label in zip(inputs, labels, strict=True):
            self.seen[round(float(row.mean()), 2)] = int(label)

    def predict(self, inputs):
        return np.array([self.seen.get(round(float(row.mean()), 2), 0) for row in inputs])


_ONE = Mean()


def one_object(classes, seed):
    return _ONE


def shared_memory(classes, seed):
    """A new object at each call, with one memory for all."""
    made = Mean()
    made.seen = _ONE.seen
    return made


def fitted_before(classes, seed):
    return tree(classes, seed).fit([[0.0] * 64, [1.0] * 64], [0, 1])


def other_each_time(classes, seed):
    _DRAWS.append(1)
    return DecisionTreeClassifier(random_state=len(_DRAWS))


def unpicklable(classes, seed):
    made = Mean()
    made.key = lambda row: row
    return made


class Hoarder(Mean):
    """All of its kind learn together, behind the back of their pickles."""

    everything: ClassVar[list[int]] = []

    def fit(self, inputs, labels):
        Hoarder.everything.extend(labels.tolist())

    def predict(self, inputs):
        return np.full(len(inputs), len(Hoarder.everything) % 10)


def hoarder(classes, seed):
    return Hoarder()


def unseeded_forest(classes, seed):
    return RandomForestClassifier(n_estimators=10)


def neighbours(classes, seed):
    return KNeighborsClassifier(n_neighbors=5)


def never_called(classes, seed):
    raise AssertionError("called for a teacher with one class")
