"""Inputs that a network can take; importable without torch."""

from __future__ import annotations

from pate.errors import expected
from pate.models.specs import ModelSpec, Shape, as_tuple


def require_input_shape(spec: ModelSpec, input_shape: Shape, classes: int) -> None:
    """Refuse inputs that a network of this architecture cannot take.

    Args:
        spec: the architecture.
        input_shape: of one input.
        classes: C.

    Raises:
        InputError: too few classes, no image where one is needed, or one that is too small.
    """
    if classes < 2:
        raise expected("classes >= 2", "count the classes of the task, not of one partition", classes=classes)
    if len(input_shape) not in (1, 3) or any(size < 1 for size in input_shape):
        raise expected(
            "an input shape (channels, height, width) or (features,)", "reshape the inputs", input_shape=input_shape
        )
    if spec.kind in ("cnn", "strided_cnn", "resnet18") and len(input_shape) != 3:
        raise expected(
            f"images for {spec.kind}", "give (channels, height, width), or choose mlp", input_shape=input_shape
        )
    if spec.kind in ("cnn", "strided_cnn") and min(input_shape[1:]) < 2 ** len(spec.widths):
        raise expected(
            f"images of at least {2 ** len(spec.widths)} pixels a side",
            "every block halves the side; give fewer hidden widths",
            input_shape=input_shape,
            hidden=spec.widths,
        )


def require_scaling(spec: ModelSpec, input_shape: Shape) -> None:
    """Refuse fixed scales that are not one number, or one per channel or feature."""
    for name, values in (("mean", as_tuple(spec.input_mean)), ("std", as_tuple(spec.input_std))):
        require_one_for_each(name, len(values), input_shape)


def require_one_for_each(name: str, count: int, input_shape: Shape) -> None:
    """Refuse a number of constants that is neither one nor one per channel or feature."""
    if count not in (1, input_shape[0]):
        raise expected(
            f"one input_{name} or {input_shape[0]} of them",
            "give one number, or one per channel or feature",
            given=count,
        )
