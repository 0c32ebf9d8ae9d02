"""The three kinds of value: ``Private``, ``BenchmarkOnly`` and ``Released``.

=================  ==========================================================================
kind               may reach
=================  ==========================================================================
``Private``        the private folder only
``BenchmarkOnly``  the terminal and the results tables; never a tracker or the privacy report
``Released``       everywhere
=================  ==========================================================================

The kinds are types, so that the type checker holds them, and each exit (tracker, report, log, public error)
also calls ``released_value``, so that they hold at run time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Generic, NoReturn, TypeVar, final

import numpy as np

from pate.errors import PrivacyViolation
from pate.public_sets import PublicSource

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")


class Redacted:
    """Mixin of every type that holds private content: it neither prints nor pickles itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: private>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise PrivacyViolation(
            f"Expected private content to stay in this process, got a request to pickle {type(self).__name__}; "
            "write it to the private folder through its own save function"
        )


@final
class Private(Redacted, Generic[T]):
    """A value that may reach the private folder and nothing else."""

    __slots__ = ("_content",)

    def __init__(self, content: T) -> None:
        self._content = content

    def reveal(self) -> T:
        """The content, for code on the private side."""
        return self._content

    def map(self, function: Callable[[T], U]) -> Private[U]:
        """Result of a function of a private value, itself private."""
        return Private(function(self._content))

    def __bool__(self) -> NoReturn:
        raise PrivacyViolation("Expected no decision on a private value; use reveal() on the private side")


@final
class BenchmarkOnly(Generic[T]):
    """A metric on data from the shipped list of public sets: for the terminal and the results tables."""

    __slots__ = ("source", "value")

    def __init__(self, value: T, source: PublicSource) -> None:
        if not isinstance(source, PublicSource):
            raise PrivacyViolation(
                f"Expected a PublicSource, got {type(source).__name__}; benchmark metrics exist only for data on the "
                "shipped list of public sets"
            )
        self.value = value
        self.source = source

    def __repr__(self) -> str:
        return f"<BenchmarkOnly on {self.source.name}>"


@final
class Released(Generic[T_co]):
    """A value that may go anywhere.

    There are two ways to make one: ``public`` for public configuration and what follows from public data and
    other released values, and ``through_the_door`` for the answers of a mechanism, which only
    ``pate.aggregation.release`` may call (a test holds this).
    """

    __slots__ = ("_content",)

    def __init__(self, content: T_co) -> None:
        _refuse_other_kinds(content)
        self._content = content

    @staticmethod
    def public(content: U) -> Released[U]:
        """Public configuration, public data, data-independent costs, or a function of released values."""
        return Released(content)

    @staticmethod
    def through_the_door(content: U) -> Released[U]:
        """The persisted answers of a charged mechanism. Called by ``pate.aggregation.release`` alone."""
        return Released(content)

    @property
    def value(self) -> T_co:
        """The content."""
        return self._content

    def map(self, function: Callable[[T_co], U]) -> Released[U]:
        """Result of a function of a released value alone, itself released (post-processing)."""
        return Released(function(self._content))

    def __repr__(self) -> str:
        return f"Released({self._content!r})"


def released_value(value: Released[T]) -> T:
    """The content of a released value; the run-time check of every exit.

    Raises:
        PrivacyViolation: the value is of any other kind, or of none.
    """
    if not isinstance(value, Released):
        raise PrivacyViolation(
            f"Expected a Released value at a public exit, got {type(value).__name__}; "
            "only public values and released answers may leave"
        )
    return value.value


def _refuse_other_kinds(content: Any) -> None:
    """Raise if a container to be released holds private or benchmark-only content at any depth."""
    if isinstance(content, (Redacted, BenchmarkOnly)):
        raise PrivacyViolation(f"Expected public content, got {type(content).__name__}; it may not be released")
    if isinstance(content, Mapping):
        for key, value in content.items():
            _refuse_other_kinds(key)
            _refuse_other_kinds(value)
    elif hasattr(content, "dtype"):  # arrays and tensors hold numbers, except arrays of objects
        if isinstance(content, np.ndarray) and content.dtype == object:
            for value in content.flat:
                _refuse_other_kinds(value)
    elif isinstance(content, Collection) and not isinstance(content, (str, bytes, bytearray)):
        for value in content:
            _refuse_other_kinds(value)
    elif isinstance(content, Iterator):
        raise PrivacyViolation("Expected content that can be inspected, got an iterator; make it a list first")
    elif dataclasses.is_dataclass(content) and not isinstance(content, type):
        for field in dataclasses.fields(content):
            _refuse_other_kinds(getattr(content, field.name))
