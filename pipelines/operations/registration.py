"""The checks of `pate register`: a run's student must pass them before an alias in MLflow points at it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pate.errors import BudgetExceeded, InputError, LedgerError, PrivacyViolation, RecordsRefused, expected
from pate.ledger import Anchor
from pate.student.export import read_spec
from pipelines.outcome import summary
from pipelines.outcome.metrics import alarms_of
from pipelines.storage.audit_file import read_audit
from pipelines.storage.home import Home
from pipelines.storage.run_folder import RunFolder
from pipelines.tracking.cards import Registrable
from pipelines.tracking.outbox import read_events
from pipelines.tracking.tracker import TRACKING_FOLDER

_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_RESERVED = re.compile(r"latest|v\d+")


def check_alias(alias: str) -> None:
    """Refuse an alias that MLflow would refuse or take for a version."""
    if not _ALIAS.fullmatch(alias) or _RESERVED.fullmatch(alias):
        raise expected(
            "an alias of small letters, digits, '-' and '_', other than latest and v1, v2, ...",
            "such as champion",
            alias=alias,
        )


def check(folder: RunFolder, base: Path, *, despite_alarms: bool = False) -> Registrable:
    """Check the report, the noise source, the audit, the student and the ledger of a run.

    Args:
        folder: the run's folders.
        base: ``PATE_HOME``.
        despite_alarms: accept a student that does not know a class (``pate.student.check``).

    Raises:
        InputError: the run is not finished, its report or student is missing or altered, or its student has alarms.
        PrivacyViolation: its noise was seeded, or the audit on file found more leakage than is claimed.
        BudgetExceeded: the data are over their budget.
        RecordsRefused: they are together with others that share their units.
        LedgerError: the ledger was altered, or is not the one of the release.
    """
    found = summary.load(folder)
    if found is None:
        raise expected("a finished run", "resume it with `pate run` on its configuration", run=folder.run_id)
    if folder.stages.unaltered("report") is None:
        raise InputError(
            f"Expected run {folder.run_id} with its privacy report, got one without; restore the run's folder"
        )
    if not found.released.value["secure_noise"]:
        raise PrivacyViolation(
            f"Expected noise from the operating system's entropy, got run {folder.run_id} with insecure, seeded noise; "
            "it has no guarantee: remove labelling.insecure_seeded_noise and run again"
        )
    alarms = alarms_of(found.released.value)
    if alarms and not despite_alarms:
        raise InputError(
            f"Expected a student without alarms, got run {folder.run_id} with {len(alarms)}: {'; '.join(alarms)}; "
            "start a new run with more labels or balanced: true, or accept the student with --despite-alarms"
        )
    audit = read_audit(base)
    if audit is not None and any(finding["broken"] for finding in audit["findings"]):
        raise PrivacyViolation(
            "Expected an audit that found no more leakage than is claimed, got one that did; use no student before "
            "that is explained, and then audit again (`pate audit --keep`)"
        )
    recorded = [event for event in read_events(folder.public / TRACKING_FOLDER) if event.kind == "model"]
    if not recorded:
        raise expected("a student on record", "resume it with `pate run` on its configuration", run=folder.run_id)
    body = recorded[-1].body
    spec = read_spec(folder.student)
    if (spec.digest, spec.preprocessing_digest) != (body["digest"], body.get("preprocessing")):
        raise expected("the student that was recorded", "restore the run's public folder", run=folder.run_id)
    _check_ledger(folder, base, body["card"])
    return Registrable(run_id=folder.run_id, name=body["card"]["name"], digest=body["digest"], card=body["card"])


def _check_ledger(folder: RunFolder, base: Path, card: Mapping[str, Any]) -> None:
    """Check that the chain is whole and extends the one at the release, and that no linked account is over budget."""
    if not Home(base).has_ledger:
        raise LedgerError("Expected the ledger that the run was charged to, got none; restore it or set PATE_HOME")
    with Home(base).ledger() as ledger:
        ledger.verify(None if card["ledger"] is None else Anchor.parse(card["ledger"]))
        account = folder.account(ledger)
        budget = ledger.account(account).epsilon
        if ledger.spent(account).epsilon > budget:
            raise BudgetExceeded(
                f"Expected data_id={account!r} within its budget {budget:g}, got more spent than that; the student "
                "is unchanged; the data owner must decide (`pate ledger show`)"
            )
        for name in (account, *ledger.linked(account)):
            spent, budget = ledger.spent(name, linked=True), ledger.account(name).epsilon
            if spent.epsilon > budget:
                raise RecordsRefused(
                    f"Expected data_id={name!r}, with the accounts that share a privacy unit, within its budget, got "
                    f"epsilon {spent.epsilon:.6f} of {budget:g} ({spent.accountant}); their owners decide"
                )
