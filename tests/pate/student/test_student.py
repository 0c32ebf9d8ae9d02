"""A student predicts, is judged, and can be exported with any batch size."""

import numpy as np
import pytest
import torch
from torch import nn

from pate.errors import InputError
from pate.models.architectures import build
from pate.models.specs import ModelSpec
from pate.student.export import load_exported, save_exported
from pate.student.student import Student, evaluate
from pate.values import Released


def student(kind: str, shape: tuple[int, ...], classes: int = 4) -> Student:
    network = build(ModelSpec(kind=kind, input_mean=0.3, input_std=0.4), shape, classes, seed=1).eval()
    return Student(network=network, classes=classes, input_shape=shape, curve=())


def sure(classes: int = 3) -> Student:
    """A student whose logits are its inputs."""
    return Student(network=nn.Identity(), classes=classes, input_shape=(classes,), curve=())


def test_probabilities_are_the_softmax_of_the_logits_in_any_batching() -> None:
    inputs = np.random.default_rng(1).normal(size=(10, 3)).astype(np.float32)
    by_hand = np.exp(inputs) / np.exp(inputs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(sure().predict_proba(inputs, batch_size=3), by_hand, rtol=1e-5)
    np.testing.assert_array_equal(sure().predict(inputs), inputs.argmax(axis=1))


def test_no_inputs_give_no_predictions() -> None:
    assert sure().predict(np.zeros((0, 3), dtype=np.float32)).shape == (0,)


def test_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(N, 3\)"):
        sure().predict(np.zeros((2, 4), dtype=np.float32))


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("logistic", (5,)),
        ("mlp", (5,)),
        ("logistic", (1, 8, 8)),
        ("mlp", (1, 8, 8)),
        ("cnn", (1, 8, 8)),
        ("cnn", (3, 28, 28)),
    ],
)
def test_an_exported_student_takes_any_batch_and_answers_alike(kind, shape, tmp_path) -> None:
    original = student(kind, shape)
    save_exported(Released.public(original.network), Released.public(np.zeros((2, *shape), np.float32)), tmp_path)
    loaded = load_exported(tmp_path)
    for count in (1, 2, 9):
        inputs = torch.rand(count, *shape, generator=torch.Generator().manual_seed(count))
        with torch.no_grad():
            torch.testing.assert_close(loaded(inputs), original.network(inputs), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_resnet_is_exported_too(tmp_path) -> None:
    original = student("resnet18", (3, 32, 32))
    inputs = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    save_exported(Released.public(original.network), Released.public(inputs.numpy()), tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(load_exported(tmp_path)(inputs), original.network(inputs), rtol=1e-4, atol=1e-5)


def test_evaluation_counts_what_is_right() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.5, 0.3, 0.2], [0.1, 0.8, 0.1]], dtype=np.float32))
    result = evaluate(sure(), logits, np.array([0, 1, 1, 1]))
    assert result.count == 4
    assert result.accuracy == 0.75
    assert result.log_loss == pytest.approx(-np.log([0.7, 0.7, 0.3, 0.8]).mean(), rel=1e-5)
    np.testing.assert_allclose(result.class_accuracy, [1.0, 2 / 3, np.nan])


@pytest.mark.parametrize("labels", [[0], [0, 3], [0, -1]])
def test_labels_that_do_not_fit_are_refused(labels) -> None:
    with pytest.raises(InputError):
        evaluate(sure(), np.zeros((2, 3), dtype=np.float32), np.array(labels))


def test_an_evaluation_needs_records() -> None:
    with pytest.raises(InputError, match="at least one"):
        evaluate(sure(), np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=np.int64))
