"""Every network takes the shapes it promises, is seeded, and leaves global state alone."""

import numpy as np
import pytest
import torch

from pate.errors import InputError
from pate.models.architectures import FixedScaling, build
from pate.models.specs import ModelSpec

IMAGES = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]


@pytest.mark.parametrize("kind", ["logistic", "mlp", "cnn", "strided_cnn", "resnet18"])
@pytest.mark.parametrize("shape", IMAGES)
def test_images_become_one_logit_per_class(kind, shape) -> None:
    logits = build(ModelSpec(kind=kind), shape, 7, seed=1)(torch.rand(2, *shape))
    assert logits.shape == (2, 7)
    assert logits.dtype == torch.float32


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_dense_networks_take_flat_features(kind) -> None:
    assert build(ModelSpec(kind=kind), (5,), 2, seed=1)(torch.rand(3, 5)).shape == (3, 2)


def test_a_large_colour_image_goes_through_resnet18() -> None:
    assert build(ModelSpec(kind="resnet18"), (4, 72, 72), 2, seed=1)(torch.rand(1, 4, 72, 72)).shape == (1, 2)


@pytest.mark.parametrize("kind", ["logistic", "mlp", "cnn", "strided_cnn"])
def test_weights_follow_the_seed_and_nothing_else(kind) -> None:
    def weights(seed: int) -> np.ndarray:
        model = build(ModelSpec(kind=kind), (1, 8, 8), 10, seed)
        return torch.cat([parameter.flatten() for parameter in model.parameters()]).detach().numpy()

    first = weights(2**62 + 5)
    torch.rand(3)
    np.testing.assert_array_equal(first, weights(2**62 + 5))
    assert not np.array_equal(first, weights(6))


def test_global_random_state_is_left_as_it_was() -> None:
    before = torch.random.get_rng_state()
    build(ModelSpec(kind="cnn"), (1, 8, 8), 10, seed=3)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("kind", ["cnn", "strided_cnn", "resnet18"])
def test_a_record_is_judged_alike_alone_and_in_company(kind) -> None:
    model = build(ModelSpec(kind=kind), (1, 16, 16), 3, seed=1).train()
    inputs = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(inputs)[:1], model(inputs[:1]), rtol=1e-4, atol=1e-5)


def test_scaling_is_fixed_and_not_among_the_weights() -> None:
    model = build(ModelSpec(kind="logistic", input_mean=(1.0, 2.0), input_std=(2.0, 4.0)), (2,), 2, seed=1)
    assert all("mean" not in name and "std" not in name for name in model.state_dict())
    scaling = model[0]
    assert isinstance(scaling, FixedScaling)
    torch.testing.assert_close(scaling(torch.tensor([[3.0, 2.0]])), torch.tensor([[1.0, 0.0]]))


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ({"kind": "tree"}, (4,), "kind='tree'"),
        ({"kind": "logistic", "hidden": (3,)}, (4,), "no hidden widths"),
        ({"kind": "mlp", "hidden": (0,)}, (4,), "hidden widths >= 1"),
        ({"input_std": 0.0}, (4,), "input_std > 0"),
        ({"input_std": (1.0, 2.0)}, (4,), "one input_std or 4"),
        ({"kind": "cnn"}, (4,), "images for cnn"),
        ({"kind": "cnn", "hidden": (8, 8, 8, 8)}, (1, 8, 8), "at least 16 pixels"),
        ({"kind": "mlp"}, (4, 4), "an input shape"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_value(fields, shape, message) -> None:
    with pytest.raises(InputError, match=message):
        build(ModelSpec(**fields), shape, 3, seed=1)


def test_one_class_is_not_a_task() -> None:
    with pytest.raises(InputError, match="classes >= 2"):
        build(ModelSpec(), (4,), 1, seed=1)


def test_pooling_before_relu_is_the_textbook_block() -> None:
    """Same outputs and same gradients as convolution, norm, ReLU, pooling."""
    ours = build(ModelSpec(kind="cnn", hidden=(8,)), (1, 8, 8), 3, seed=0)
    scaling, conv, norm, pool, relu, *rest = ours
    textbook = torch.nn.Sequential(scaling, conv, norm, relu, pool, *rest)
    inputs = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    one = torch.autograd.grad(ours(inputs).square().sum(), conv.weight)[0]
    two = torch.autograd.grad(textbook(inputs).square().sum(), conv.weight)[0]
    assert torch.equal(ours(inputs), textbook(inputs))
    torch.testing.assert_close(one, two)
