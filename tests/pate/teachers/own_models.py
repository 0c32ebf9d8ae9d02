"""Own parts, as a user would write them: good ones, and ones that break a promise."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from torch import nn


def build(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(input_shape)), 32), nn.Tanh(), nn.Linear(32, classes))


_SHARED = nn.Linear(64, 10)  # drawn while the module is imported


def shared(input_shape, classes):
    return nn.Sequential(nn.Flatten(), _SHARED)


def too_narrow(input_shape, classes):
    return build(input_shape, classes - 1)


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
