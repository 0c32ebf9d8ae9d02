"""Own models and estimators as teachers: what they must promise is checked where it can be."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from pate.errors import InputError
from pate.models.own_parts import load_part
from pate.models.specs import CustomModel, EstimatorModel, TrainSpec
from pate.teachers import BundleWeights, suffix_of, train_bundle, vote
from pate.teachers.rehearsal import rehearse_teachers

MODULE = "own_models"
FIT = TrainSpec(steps=60, batch_size=16, learning_rate=0.03)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    yield
    sys.modules.pop(MODULE, None)


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.images[:, None] / 16).astype(np.float32), data.target


def network(name: str) -> CustomModel:
    return CustomModel(builder=f"{MODULE}:{name}")


def estimator(name: str) -> EstimatorModel:
    return EstimatorModel(estimator=f"{MODULE}:{name}")


def trained(partitions, model, numbers=None, **changes) -> BundleWeights:
    train = FIT if isinstance(model, CustomModel) else None
    fixed = {"train": train, "input_shape": (1, 8, 8), "classes": 10, "seed": 7}
    return train_bundle(
        partitions, teachers=numbers or list(range(len(partitions))), model=model, **{**fixed, **changes}
    )


def parts(digits, *sizes):
    starts = np.cumsum([0, *sizes])
    return [(digits[0][a : a + n], digits[1][a : a + n]) for a, n in zip(starts, sizes, strict=False)]


@pytest.mark.parametrize("model", [network("build"), estimator("regression"), estimator("tree")], ids=str)
def test_own_teachers_keep_the_promises_of_all_teachers(digits, model) -> None:
    partitions = [(digits[0][:0], digits[1][:0]), *parts(digits, 150, 120)]
    weights = trained(partitions, model)
    votes_TQ = vote(weights, digits[0][-150:], model=model, classes=10)
    assert (votes_TQ[0] == -1).all(), "no records: abstains"
    assert ((votes_TQ[1:] == digits[1][-150:]).mean(axis=1) > 0.4).all()
    assert trained(partitions, model).content == weights.content, "built anew from its seed"
    inputs, labels = partitions[2]
    changed = [*partitions[:2], (inputs[::-1].copy(), labels[::-1][::-1].copy())]
    others_TQ = vote(trained(changed, model), digits[0][-150:], model=model, classes=10)
    np.testing.assert_array_equal(votes_TQ[:2], others_TQ[:2], "a teacher follows its own records alone")
    assert not np.array_equal(votes_TQ[2], others_TQ[2])


def test_own_networks_are_safetensors_and_are_never_fused(digits) -> None:
    one, two = (trained(parts(digits, 30, 20), network("build"), strategy=s) for s in ("sequential", "fused"))
    assert one.content == two.content
    assert (suffix_of(network("build")), one.content[8:9]) == ("safetensors", b"{")


def test_an_import_that_draws_numbers_does_not_move_the_first_teacher(digits) -> None:
    first = trained(parts(digits, 20), network("build"))
    assert MODULE in sys.modules
    assert trained(parts(digits, 20), network("build")).content == first.content


def test_a_prediction_that_is_no_class_is_an_abstention_and_a_missing_class_keeps_its_place(digits) -> None:
    votes_TQ = vote(trained(parts(digits, 5), estimator("votes")), digits[0][:4], model=estimator("votes"), classes=10)
    np.testing.assert_array_equal(votes_TQ, [[-1, 0, 0, 0]])
    inputs, labels = digits
    few = np.isin(labels, (3, 7))
    model = estimator("regression")
    votes_TQ = vote(trained([(inputs[few], labels[few])], model), inputs[few][:30], model=model, classes=10)
    assert set(votes_TQ[0]) == {3, 7}


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (network("shared"), "two calls share weights"),
        (network("too_narrow"), r"outputs of shape \(2, 9\)"),
        (network("deaf"), "finite outputs from weights that are not numbers"),
        (network("no_module"), "str where torch.nn.Module is needed"),
        (network("fails"), "it raises RuntimeError"),
        (network("cached"), "two calls share weights"),
        (network("view"), "two calls share weights"),
        (network("unseeded"), "other weights at a second call"),
        (estimator("one_object"), "one object at two calls"),
        (estimator("fitted_before"), "fitted already"),
        (estimator("other_each_time"), "another object at a second call"),
        (estimator("unpicklable"), "cannot be pickled"),
        (estimator("no_estimator"), "object without fit and predict"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_broken_promise_names_key_part_and_what_was_found(digits, model, found: str) -> None:
    with pytest.raises(InputError, match=found) as caught:
        trained(parts(digits, 10, 10), model)
    assert "teachers.model." in str(caught.value)
    assert MODULE in str(caught.value)
    assert "docs/how_to/own_parts.md" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("model", [network("keeper"), estimator("shared_memory")], ids=str)
def test_no_teacher_starts_from_what_another_learned_in_the_same_process(digits, model) -> None:
    first, other, second = parts(digits, 60, 50, 40)

    def second_after(before) -> bytes:
        sys.modules.pop(MODULE, None)
        trained([before], model, numbers=[0])
        return trained([second], model, numbers=[1]).content

    assert second_after(first) == second_after(other)


@pytest.mark.parametrize("model", [network("with_dropout"), estimator("half_of_many")], ids=str)
def test_random_draws_of_one_teacher_do_not_follow_from_the_records_of_another(digits, model) -> None:
    """One record fewer of the first teacher shifts the state of a generator that both draw from."""
    changes = {"train": TrainSpec(epochs=2, batch_size=4)} if isinstance(model, CustomModel) else {}
    found = []
    for size in (400, 399):
        first, second = parts(digits, 400, 330)
        partitions = [tuple(own[:size] for own in first), second]
        trained([partitions[0]], model, numbers=[0], **changes)  # an earlier bundle of the same process
        both = trained(partitions, model, **changes)
        found.append(vote(both, digits[0][-300:], model=model, classes=10)[1])
    np.testing.assert_array_equal(*found)
    before = np.random.get_state()[1].copy()
    trained(parts(digits, 400), model, **changes)
    np.testing.assert_array_equal(np.random.get_state()[1], before, "the process's own draws are not disturbed")


def test_one_class_is_voted_for_and_no_records_abstain_without_the_users_code(digits) -> None:
    inputs, labels = digits
    threes = labels == 3
    model = estimator("never_called")
    weights = trained([(inputs[threes], labels[threes]), (inputs[:0], labels[:0])], model)
    np.testing.assert_array_equal(vote(weights, inputs[:4], model=model, classes=10), [[3, 3, 3, 3], [-1, -1, -1, -1]])
    model = estimator("regression")
    votes_TQ = vote(trained([(inputs[:1], labels[:1])], model), inputs[:3], model=model, classes=10)
    np.testing.assert_array_equal(votes_TQ, [[labels[0]] * 3])


def rehearsed(digits, model) -> None:
    train = FIT if isinstance(model, CustomModel) else None
    rehearse_teachers(model, digits[0][:300], train=train, classes=10, seed=7)


@pytest.mark.parametrize(
    "model", [network("build"), network("with_dropout"), estimator("regression"), estimator("tree")], ids=str
)
def test_own_parts_that_meet_their_contract_pass_the_rehearsal(digits, model) -> None:
    rehearsed(digits, model)


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (network("too_narrow"), r"outputs of shape \(2, 9\)"),
        (network("normalised"), "ValueError where it is fitted on 1 inputs"),
        (network("drifting"), "another teacher after others were fitted"),
        (estimator("hoarder"), "another teacher after others were fitted"),
        (estimator("unseeded_forest"), "another teacher after others were fitted"),
        (estimator("unseeded_tree"), "another teacher after others were fitted"),
        (estimator("neighbours"), "ValueError where it is fitted on 2 inputs, or asked"),
        (estimator("no_estimator"), "object without fit and predict"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_rehearsal_finds_what_only_fitting_and_asking_show(digits, model, found: str) -> None:
    with pytest.raises(InputError, match=found) as caught:
        rehearsed(digits, model)
    assert "docs/how_to/own_parts.md" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", [f"{MODULE}:nothing", "no_such_package:build", f"{MODULE}:np"])
def test_what_cannot_be_imported_or_called_is_refused_with_the_remedy(path: str) -> None:
    with pytest.raises(InputError, match=r"function at teachers\.model\.builder"):
        load_part(path, key="teachers.model.builder")


@pytest.mark.parametrize("path", ["", "module", "module:", ":build", "a b:c", "a:b; import os", "../a:b"])
def test_what_is_no_import_path_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="import path"):
        CustomModel(builder=path)


def test_altered_estimators_are_never_unpickled(digits) -> None:
    weights = trained(parts(digits, 20), estimator("tree"))
    altered = BundleWeights(content=weights.content.replace(b"A", b"B"), sha256=weights.sha256)
    with pytest.raises(InputError, match="SHA-256"):
        vote(altered, digits[0][:2], model=estimator("tree"), classes=10)
