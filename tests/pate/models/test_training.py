"""The fit loop learns, repeats itself, and its two strategies agree."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from pate.errors import InputError
from pate.models.architectures import build
from pate.models.bundle import fit_bundle
from pate.models.specs import ModelSpec, TrainSpec
from pate.models.training import Records, class_weights, fit

SPEC = TrainSpec(steps=60, batch_size=16, learning_rate=0.02, weight_decay=0.01)


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.images[:, None] / 16).astype(np.float32), data.target


def flat(model) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def partitions(digits, sizes) -> list[Records]:
    inputs, labels = digits
    edges = np.cumsum([0, *sizes])
    return [Records.of(inputs[a:b], labels[a:b], 10) for a, b in itertools.pairwise(edges)]


def bundle(kind: str, count: int):
    return [build(ModelSpec(kind=kind), (1, 8, 8), 10, seed) for seed in range(count)]


@pytest.mark.parametrize("kind", ["logistic", "mlp", "cnn", "strided_cnn"])
def test_it_learns_digits(digits, kind) -> None:
    inputs, labels = digits
    model = fit(bundle(kind, 1)[0], partitions(digits, [600])[0], TrainSpec(epochs=12, learning_rate=0.02), seed=1)
    assert not model.training
    with torch.no_grad():
        right = model(torch.from_numpy(inputs[600:])).argmax(1).numpy() == labels[600:]
    assert right.mean() > 0.87


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(digits) -> None:
    def fitted(seed: int) -> torch.Tensor:
        return flat(fit(bundle("mlp", 1)[0], partitions(digits, [100])[0], SPEC, seed=seed))

    assert torch.equal(fitted(1), fitted(1))
    assert not torch.equal(fitted(1), fitted(2))


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
@pytest.mark.parametrize("kind", ["logistic", "mlp", "cnn", "strided_cnn"])
def test_fused_agrees_with_sequential(digits, kind, optimiser) -> None:
    """Logits agree within 1e-3 after 4 passes over partitions of unequal size, one of them a single record."""
    spec = TrainSpec(epochs=4, batch_size=8, learning_rate=0.03, optimiser=optimiser, weight_decay=0.01)
    data, seeds = partitions(digits, [20, 8, 1, 19, 33]), [5, 6, 7, 8, 9]
    one = fit_bundle(bundle(kind, 5), data, spec, seeds=seeds)
    two = fit_bundle(bundle(kind, 5), data, spec, seeds=seeds, strategy="fused")
    probe = torch.from_numpy(digits[0][-100:])
    start = bundle(kind, 5)
    with torch.no_grad():
        for a, b, fresh in zip(one, two, start, strict=True):
            torch.testing.assert_close(a(probe), b(probe), rtol=1e-3, atol=1e-3)
            assert (a(probe) - fresh(probe)).abs().max() > 0.05
            assert not b.training


def test_fit_lays_convolutions_out_channels_last_and_leaves_them_as_usual(digits) -> None:
    model = bundle("cnn", 1)[0]
    strides: list[tuple[int, ...]] = []
    model[1].register_forward_hook(lambda layer, inputs, output: strides.append(output.stride()))
    fit(model, partitions(digits, [20])[0], SPEC, seed=1)
    assert {stride[1] for stride in strides} == {1}, "channels lie side by side"
    fresh = bundle("cnn", 1)[0]
    assert [p.stride() for p in model.parameters()] == [p.stride() for p in fresh.parameters()]


@pytest.mark.parametrize("strategy", ["sequential", "fused"])
def test_a_model_depends_on_its_own_records_and_seed_only(digits, strategy) -> None:
    first, second, third = partitions(digits, [12, 12, 12])
    with_second = fit_bundle(bundle("logistic", 2), [first, second], SPEC, seeds=[1, 2], strategy=strategy)
    with_third = fit_bundle(bundle("logistic", 2), [first, third], SPEC, seeds=[1, 3], strategy=strategy)
    assert torch.equal(flat(with_second[0]), flat(with_third[0]))
    assert (flat(with_second[1]) - flat(with_third[1])).abs().max() > 1e-3


def test_one_record_of_one_class_is_enough() -> None:
    records = Records.of(np.ones((1, 4), dtype=np.float32), np.array([2]), 3)
    model = fit(build(ModelSpec(), (4,), 3, seed=1), records, SPEC, seed=1)
    assert model(torch.ones(1, 4)).argmax() == 2


def test_progress_is_reported_after_every_update(digits) -> None:
    seen: list[tuple[int, float]] = []
    fit(
        bundle("logistic", 1)[0],
        partitions(digits, [100])[0],
        SPEC,
        seed=1,
        after_step=lambda step, loss: seen.append((step, loss)),
    )
    assert [step for step, _ in seen] == list(range(1, 61))
    assert seen[-1][1] < seen[0][1]


def test_training_leaves_global_random_state_alone(digits) -> None:
    before = torch.random.get_rng_state()
    fit_bundle(bundle("mlp", 2), partitions(digits, [9, 9]), SPEC, seeds=[1, 2])
    assert torch.equal(before, torch.random.get_rng_state())


def test_cosine_falls_from_the_learning_rate_towards_zero() -> None:
    spec = TrainSpec(steps=10, learning_rate=0.2)
    rates = [spec.rate(step, 10) for step in range(10)]
    assert rates[0] == 0.2
    assert rates == sorted(rates, reverse=True)
    assert spec.rate(10, 10) == pytest.approx(0.0, abs=1e-12)


def test_read_only_arrays_are_accepted() -> None:
    inputs, labels = np.zeros((3, 2)), np.zeros(3, dtype=np.int8)
    inputs.flags.writeable = labels.flags.writeable = False
    assert Records.of(inputs, labels, 2).inputs.dtype == torch.float32


@pytest.mark.parametrize(
    ("inputs", "labels"), [(np.zeros((2, 3)), [0, 4]), (np.zeros((2, 3)), [0, -1]), (np.zeros((2, 3)), [0]), ([], [])]
)
def test_unusable_records_are_refused_without_naming_a_label(inputs, labels) -> None:
    with pytest.raises(InputError) as caught:
        Records.of(np.asarray(inputs), np.asarray(labels, dtype=np.int64), 4)
    assert "got" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"epochs": 1, "steps": 1},
        {"epochs": 0},
        {"steps": 5, "batch_size": 0},
        {"steps": 5, "learning_rate": float("nan")},
        {"steps": 5, "weight_decay": -1.0},
        {"steps": 5, "optimiser": "lbfgs"},
        {"steps": 5, "schedule": "step"},
        {"steps": 5, "label_smoothing": 1.0},
    ],
)
def test_an_unusable_spec_is_refused(fields) -> None:
    with pytest.raises(InputError):
        TrainSpec(**fields)


def test_a_bundle_needs_one_seed_and_one_data_set_per_model(digits) -> None:
    with pytest.raises(InputError, match="seeds=1"):
        fit_bundle(bundle("logistic", 2), partitions(digits, [3, 3]), SPEC, seeds=[1])
    with pytest.raises(InputError, match="strategy"):
        fit_bundle(bundle("logistic", 1), partitions(digits, [3]), SPEC, seeds=[1], strategy="magic")  # type: ignore[arg-type]


def test_classes_that_occur_weigh_the_same_when_balanced() -> None:
    weights = class_weights(torch.tensor([0, 0, 0, 2]), 4)
    torch.testing.assert_close(weights, torch.tensor([4 / 6, 1.0, 2.0, 1.0]))
    torch.testing.assert_close(class_weights(torch.tensor([1, 1]), 2), torch.ones(2))


@pytest.mark.parametrize("strategy", ["sequential", "fused"])
def test_a_balanced_fit_is_that_of_records_repeated_until_classes_are_equal(strategy) -> None:
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(8, 5)).astype(np.float32), np.array([0] * 6 + [1] * 2)
    repeated = np.array([*range(6), 6, 7, 6, 7, 6, 7])
    own, equal = Records.of(inputs, labels, 2), Records.of(inputs[repeated], labels[repeated], 2)
    spec = TrainSpec(steps=40, batch_size=12, learning_rate=0.02, weight_decay=0.1)

    def fitted(records: Records, *, balanced: bool) -> torch.Tensor:
        models = [build(ModelSpec(), (5,), 2, seed=3)]
        fit_bundle(models, [records], replace(spec, balanced=balanced), seeds=[1], strategy=strategy)
        return flat(models[0])

    torch.testing.assert_close(fitted(own, balanced=True), fitted(equal, balanced=False), rtol=1e-3, atol=1e-4)
    assert (fitted(own, balanced=True) - fitted(own, balanced=False)).abs().max() > 1e-2
