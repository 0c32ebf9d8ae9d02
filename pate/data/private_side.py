"""Any fault in private records is reported by one fixed sentence.

The output of a run before its charge must be a function of public data alone. A run whose records cannot be used has to
stop, which is visible; which fault it was, where and how often stays in the incident.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from pate.errors import PateError, RecordsRefused


@contextmanager
def private_side() -> Iterator[None]:
    """Any error inside becomes ``RecordsRefused``; its text goes to the private detail.

    Raises:
        RecordsRefused: something inside failed.
    """
    try:
        yield
    except RecordsRefused:
        raise
    except Exception as error:
        said = f"{error}\n{error.private_detail or ''}" if isinstance(error, PateError) else traceback.format_exc()
        raise RecordsRefused(said) from None
