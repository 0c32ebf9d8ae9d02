"""User-defined functions, named in the configuration by their import path.

Their contract is checked as far as possible: import and callability when a configuration is validated, results when
they are called.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from importlib import import_module
from typing import Any

import numpy as np

from pate.errors import InputError, expected

IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
"""Such as ``mypackage.models:build``."""


def require_import_path(path: str, *, key: str) -> None:
    """Refuse a text that is not an import path.

    Raises:
        InputError: with the key.
    """
    if not IMPORT_PATH.fullmatch(path):
        raise expected(
            f"an import path such as 'mypackage.models:build' at {key}", "write module, colon, function", path=path
        )


def load_part(path: str, *, key: str) -> Callable[..., Any]:
    """The function at an import path.

    Args:
        path: such as ``mypackage.models:build``.
        key: of the configuration, for errors.

    Raises:
        InputError: it cannot be imported here, or is not callable.
    """
    require_import_path(path, key=key)
    module, _, name = path.partition(":")
    try:
        found: Any = reduce(getattr, name.split("."), import_module(module))
    except Exception as error:
        raise expected(
            f"an importable function at {key}",
            "install its package, or put its folder on PYTHONPATH, here and on every worker of the cluster",
            path=path,
            found=type(error).__name__,
        ) from error
    if not callable(found):
        raise expected(f"a function at {key}", "name a function", path=path, found=type(found).__name__)
    part: Callable[..., Any] = found
    return part


def call_part(path: str, *arguments: Any, key: str, **settings: Any) -> Any:
    """Call an own function; its errors name the key.

    Raises:
        InputError: it cannot be imported, or fails.
    """
    part = load_part(path, key=key)
    try:
        return part(*arguments, **settings)
    except InputError:
        raise
    except Exception as error:
        raise broken(key, path, f"it raises {type(error).__name__}") from error


@contextmanager
def own_draws(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, numpy and torch for user code, and restore them afterwards.

    Draws of user code then follow from ``seed`` alone: not from what ran before in the same process, such as the
    training of another teacher, which draws as often as that teacher's records ask for.
    """
    import torch  # noqa: PLC0415 - settings are importable without torch

    python, numbers = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numbers)


def broken(key: str, path: str, found: str) -> InputError:
    """The error for user code that does not meet its contract; ``found`` names what it did."""
    return expected(
        f"user code at {key} that meets its contract", "see docs/how_to/own_parts.md", path=path, found=found
    )
