"""One small hierarchy of errors: what was expected, what was found, and the remedy.

The text of an error is public: it may be printed, logged and sent to a tracker. It never contains rows, unit ids or
private paths; they go into ``private_detail``, which the pipeline writes to the run's private
``incidents`` folder and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence


class PateError(Exception):
    """Base of every error that pate raises on purpose.

    Args:
        message: one public line: what was expected, ``name=value``, the remedy.
        private_detail: further details for an operator with access to the private folder.
    """

    def __init__(self, message: str, *, private_detail: str | None = None) -> None:
        super().__init__(message)
        self.private_detail = private_detail


class InputError(PateError, ValueError):
    """A value given by the caller is not usable; nothing was written and nothing was released."""


class RecordsRefused(InputError):
    """The private records cannot be used as configured; nothing was charged and nothing was released.

    The public sentence is the same whatever the reason.

    Args:
        reason: what is wrong, for the private incident alone.
    """

    SENTENCE = (
        "Expected private records that this configuration and their account can use, got others; nothing was charged "
        "or released, the reason is kept in private"
    )

    def __init__(self, reason: str) -> None:
        super().__init__(self.SENTENCE, private_detail=reason)


class ConfigurationFaults(InputError):
    """Several faults of a configuration.

    Args:
        lines: a title, and one line for each fault.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))


class PrivacyViolation(PateError, TypeError):
    """A value was about to go where its kind must not go."""


class BudgetExceeded(PateError):
    """A release would cost more than the account has left; nothing was charged."""


class LedgerError(PateError):
    """The ledger was altered since it was last written, or cannot be written."""


class Unavailable(PateError):
    """A server that the run needs does not answer."""


class QuorumLost(PateError):
    """Machines that failed left fewer teachers or sites than were declared; nothing was released."""


class InternalError(PateError):
    """An error that was not foreseen, a fault of pate or of a library; its own text and cause are in an incident."""


def expected(what: str, remedy: str, **found: object) -> InputError:
    """An ``InputError`` in the project's one shape.

    >>> str(expected("sigma > 0", "give the standard deviation in votes", sigma=-1))
    'Expected sigma > 0, got sigma=-1; give the standard deviation in votes'
    """
    got = ", ".join(f"{name}={value!r}" for name, value in found.items())
    return InputError(f"Expected {what}, got {got}; {remedy}" if got else f"Expected {what}; {remedy}")
