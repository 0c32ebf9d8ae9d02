"""One changed record changes one teacher: all others keep their weights to the last bit, and with them their votes.

Privacy is charged for one teacher's vote. Whatever a change of one partition does to the computation of a bundle (its
length, its shapes, numbers that are not finite), it may not reach the others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load

from pate.models import bundle as bundle_module
from pate.models import fused
from pate.models.bundle import fit_bundle
from pate.models.dense_stack import DenseStack
from pate.models.slot_optimiser import SlotOptimiser
from pate.models.slots import Update, updates
from pate.models.specs import ModelSpec, TrainSpec, TreesSpec
from pate.teachers import BundleWeights, kinds, train_bundle, vote

SHAPE, CLASSES = (1, 8, 8), 4
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
MODELS = {
    "logistic": ModelSpec(kind="logistic", input_mean=0.3, input_std=1.5),
    "mlp": ModelSpec(kind="mlp", hidden=(17,)),
    "cnn": ModelSpec(kind="cnn", hidden=(3, 8)),
    "strided_cnn": ModelSpec(kind="strided_cnn", hidden=(3, 8)),
}
FITS = {
    "epochs": TrainSpec(epochs=3, batch_size=4, learning_rate=0.03, weight_decay=0.1),
    "sgd": TrainSpec(epochs=1, batch_size=5, learning_rate=0.03, weight_decay=0.1, optimiser="sgd"),
    "steps": TrainSpec(steps=7, batch_size=4, learning_rate=0.03, schedule="constant", label_smoothing=0.1),
    "balanced": TrainSpec(epochs=2, batch_size=4, learning_rate=0.03, balanced=True),
}
TREES = TreesSpec(rounds=4, depth=2, subsample=0.8, colsample=0.3)
Partition = tuple[np.ndarray, np.ndarray]


def drawn(records: int, seed: int) -> Partition:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(records, *SHAPE)).astype(np.float32), rng.integers(0, CLASSES, records)


def bundle_of(*sizes: int) -> list[Partition]:
    return [drawn(size, teacher) for teacher, size in enumerate(sizes)]


def exploding() -> Partition:
    """One record from which a single step of SGD makes infinite weights."""
    inputs, labels = drawn(1, 56)
    return np.sign(inputs) * np.float32(3e38), labels


BUNDLE = [*bundle_of(5, 8, 0, 3, 12, 4), exploding()]
SINGLES = bundle_of(1, 1, 0, 1)
CASES = {
    "of middle size": (BUNDLE, 1),
    "the largest": (BUNDLE, 4),
    "among single records": (SINGLES, 1),
    "beside one that explodes": ([drawn(3, 0), exploding()], 0),
}
QUERIES = drawn(60, 99)[0]


def joined(*parts: Partition) -> Partition:
    inputs, labels = zip(*parts, strict=True)
    return np.concatenate(inputs), np.concatenate(labels)


CHANGES: dict[str, Callable[[Partition], Partition]] = {
    "one more": lambda own: joined(own, drawn(1, 50)),
    "one fewer": lambda own: (own[0][1:], own[1][1:]),
    "none": lambda own: (own[0][:0], own[1][:0]),
    "many more": lambda own: joined(own, drawn(40, 51)),
    "one class": lambda own: (own[0], np.full_like(own[1], 3)),
    "other values": lambda own: (drawn(len(own[1]), 52)[0], own[1]),
    "huge": lambda own: (own[0] * np.float32(1e30), own[1]),
    "not finite": lambda own: (np.where(own[0] > 1, np.float32(np.inf), own[0]), own[1]),
    "six times": lambda own: joined(*[own] * 6),
}


def trained(bundle: Sequence[Partition], model: Any, train: TrainSpec | None, **how: Any) -> BundleWeights:
    return train_bundle(
        bundle, teachers=range(3, 3 + len(bundle)), model=model, train=train, input_shape=SHAPE, classes=CLASSES,
        seed=1, **how,
    )  # fmt: skip


def by_teacher(weights: BundleWeights) -> list[Any]:
    """What of the packed weights belongs to each teacher, as bytes."""
    if weights.content.startswith(b"{"):
        return json.loads(weights.content)["models"]
    tensors = load(weights.content)
    stacks = [tensors[name] for name in sorted(tensors)]
    return [b"".join(value.numpy().tobytes() for value in own) for own in zip(*stacks, strict=True)]


def reached(bundle: Sequence[Partition], changed: int, partition: Partition, model: Any, train: Any, **how: Any) -> Any:
    """Which teachers have other weights, and which other votes, once one of them has another partition."""
    other = [partition if teacher == changed else own for teacher, own in enumerate(bundle)]
    before, after = (trained(records, model, train, **how) for records in (bundle, other))
    device = how.get("device", "cpu")
    votes = [vote(weights, QUERIES, model=model, classes=CLASSES, device=device) for weights in (before, after)]
    weights = [one != two for one, two in zip(by_teacher(before), by_teacher(after), strict=True)]
    return set(np.flatnonzero(weights)), set(np.flatnonzero((votes[0] != votes[1]).any(axis=1)))


def leaks(
    bundle: Sequence[Partition], changed: int, model: Any, train: TrainSpec | None, changes: Any = CHANGES, **how: Any
) -> set[tuple[str, int]]:
    """All (change, other teacher) whose weights or votes a change of one teacher's records reaches."""
    found = set()
    for name in changes:
        weights, votes = reached(bundle, changed, CHANGES[name](bundle[changed]), model, train, **how)
        found |= {(name, int(teacher)) for teacher in (weights | votes) - {changed}}
    return found


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("strategy", "case"), [*[("fused", case) for case in CASES], ("sequential", "of middle size")])
def test_a_change_reaches_its_own_teacher_only(strategy, case, kind, fit, device) -> None:
    assert leaks(*CASES[case], MODELS[kind], FITS[fit], strategy=strategy, device=device) == set()


@pytest.mark.parametrize("name", CHANGES)
def test_the_changes_do_change_something(name) -> None:
    weights, _ = reached(BUNDLE, 1, CHANGES[name](BUNDLE[1]), MODELS["mlp"], FITS["epochs"], strategy="fused")
    assert weights == {1}


@pytest.mark.parametrize("case", CASES)
def test_so_it_is_with_trees(case) -> None:
    assert leaks(*CASES[case], TREES, None) == set()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["logistic", "cnn"])
def test_so_it_is_with_several_stacks_and_threads(kind, threads, monkeypatch) -> None:
    torch.set_num_threads(threads)  # a fixture puts it back
    monkeypatch.setattr(fused, "_stack_size", lambda model, device: 3)
    changes = ("one more", "none", "huge")
    assert leaks(BUNDLE, 1, MODELS[kind], FITS["epochs"], changes, strategy="fused") == set()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["fused", "sequential"])
def test_so_it_is_with_a_large_network(strategy, monkeypatch) -> None:
    monkeypatch.setattr(fused, "_stack_size", lambda model, device: 3)
    train = TrainSpec(epochs=1, batch_size=4)
    changes = ("one more", "none", "huge")
    assert leaks(BUNDLE[:4], 1, ModelSpec(kind="resnet18"), train, changes, strategy=strategy) == set()


SMALL = st.lists(st.integers(0, 9), min_size=2, max_size=6)


@given(sizes=SMALL, data=st.data())
@settings(max_examples=30, deadline=None)
def test_so_it_is_with_any_sizes(sizes: list[int], data: st.DataObject) -> None:
    bundle = bundle_of(*sizes)
    changed = data.draw(st.integers(0, len(sizes) - 1), label="changed")
    partition = drawn(data.draw(st.integers(0, 20), label="records"), 77)
    partition = (partition[0] * np.float32(data.draw(st.sampled_from([1, 0, 1e30, np.nan]))), partition[1])
    model = data.draw(st.sampled_from([*MODELS.values(), TREES]), label="model")
    train = None if model is TREES else data.draw(st.sampled_from(list(FITS.values())), label="train")
    weights, votes = reached(bundle, changed, partition, model, train, strategy="fused")
    assert weights | votes <= {changed}


@given(sizes=SMALL, others=st.lists(st.integers(0, 9), min_size=6, max_size=6))
@settings(max_examples=10, deadline=None)
def test_the_records_of_all_others_may_change_at_once(sizes: list[int], others: list[int]) -> None:
    one = bundle_of(*sizes)
    two = [one[0], *[drawn(size, 60 + size) for size in others[: len(sizes) - 1]]]
    first, second = (trained(bundle, MODELS["mlp"], FITS["epochs"], strategy="fused") for bundle in (one, two))
    assert by_teacher(first)[0] == by_teacher(second)[0]


def together_by_updates(models, records, spec, *, seeds, loss, device):
    groups: dict[int, list[int]] = {}
    for position, own in enumerate(records):
        groups.setdefault(spec.updates(len(own.labels)), []).append(position)
    for own in groups.values():
        taken = ([values[position] for position in own] for values in (models, records, seeds))
        models_T, records_T, seeds_T = taken
        fused._fit_stack(models_T, records_T, spec, seeds=seeds_T, loss=loss, device=torch.device(device))
    return [model.eval() for model in models]


def as_wide_as_the_largest(sizes, spec, seeds, device) -> Iterator[Update]:
    return updates(sizes, replace(spec, batch_size=min(spec.batch_size, max(sizes))), seeds, device)


def copied_out_at_the_end(sizes, spec, seeds, device) -> Iterator[Update]:
    found = list(updates(sizes, spec, seeds, device))
    for update in found:
        yield update._replace(last=list(range(len(sizes))) if update is found[-1] else [])


def at_the_rates_of_the_largest(sizes, spec, seeds, device) -> Iterator[Update]:
    for update in updates(sizes, spec, seeds, device):
        yield update._replace(rate_T=torch.full_like(update.rate_T, update.rate_T[int(np.argmax(sizes))]))


def without_the_empty(models, records, *rest, seeds, **how):
    filled = [position for position, own in enumerate(records) if own.inputs.any()]
    taken = [[values[position] for position in filled] for values in (models, records, seeds)]
    return fit_bundle(*taken[:2], *rest, seeds=taken[2], **how)


def clipped_together(self, rate_T, *, step=SlotOptimiser.step) -> None:
    torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
    step(self, rate_T)


MUTANTS = {
    "grouped by number of updates": (bundle_module, "fit_fused", together_by_updates),
    "as wide as the largest": (fused, "updates", as_wide_as_the_largest),
    "copied out at the end": (fused, "updates", copied_out_at_the_end),
    "one schedule for all": (fused, "updates", at_the_rates_of_the_largest),
    "empty ones left out": (kinds, "fit_bundle", without_the_empty),
    "one norm for all": (SlotOptimiser, "step", clipped_together),
}


def shapes_of(bundle: Sequence[Partition], train: TrainSpec, monkeypatch: pytest.MonkeyPatch) -> set[Any]:
    """The shapes of all batches that are computed."""
    seen = set()

    def watched(self, inputs, labels_TB, weight_TB, loss, *, gradients=DenseStack.gradients) -> None:
        seen.add((inputs.shape, labels_TB.shape, weight_TB.shape))
        gradients(self, inputs, labels_TB, weight_TB, loss)

    with monkeypatch.context() as patch:
        patch.setattr(DenseStack, "gradients", watched)
        trained(bundle, MODELS["logistic"], train, strategy="fused")
    return seen


def shapes_differ(case: str, train: TrainSpec, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a change of one teacher's records changes the shapes of what is computed."""
    bundle, changed = CASES[case]
    bundles = [[*bundle[:changed], change(bundle[changed]), *bundle[changed + 1 :]] for change in CHANGES.values()]
    return len({frozenset(shapes_of(own, train, monkeypatch)) for own in [bundle, *bundles]}) > 1


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("case", CASES)
def test_no_change_of_records_changes_a_shape(case, fit, monkeypatch) -> None:
    assert not shapes_differ(case, FITS[fit], monkeypatch)
    count, width = len(CASES[case][0]), FITS[fit].batch_size
    assert shapes_of(CASES[case][0], FITS[fit], monkeypatch) == {((count, width, 64), (count, width), (count, width))}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_what_couples_teachers_is_noticed(mutant, monkeypatch) -> None:
    """By bits; or by shapes, where the processor at hand happens to round the same in both."""
    monkeypatch.setattr(*MUTANTS[mutant])
    by_bits = any(
        leaks(*case, MODELS[kind], train, strategy="fused")
        for kind in ("logistic", "mlp")
        for train in FITS.values()
        for case in CASES.values()
    )
    assert by_bits or any(shapes_differ(case, train, monkeypatch) for case in CASES for train in FITS.values())
