"""``pate audit``: a black-box audit of the aggregator; with a configuration, of the path from records to votes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pate.errors import LedgerError, PrivacyViolation, expected
from pipelines.cli.arguments import JsonOption, OptionalConfig
from pipelines.cli.output import print_json, print_table
from pipelines.storage.home import home

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.operations.records_audit import Findings


def audit(
    config: OptionalConfig = None,
    records: Annotated[
        int | None,
        typer.Option(min=1, help="with CONFIG: number of privacy units to change; each costs a run up to the votes"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="with CONFIG: seed of the choice of units and changes")] = 0,
    samples: Annotated[int, typer.Option(min=8, help="campaigns per neighbour")] = 20_000,
    delta: Annotated[float, typer.Option(help="delta for all three epsilons")] = 1e-2,
    keep: Annotated[
        bool, typer.Option("--keep", help="add the findings to the reports of finished and later runs")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Audit the aggregator, or with a configuration the path from its records to votes."""
    if (config is None) == (records is not None) or (keep and config is not None):
        raise expected(
            "CONFIG and --records together, without --keep, or neither of them",
            "give the number of units to change: pate audit CONFIG --records 15",
            records=records,
        )
    if config is not None and records is not None:
        _audit_records(config, records, seed, as_json)
    else:
        _audit_answers(samples, delta, keep, as_json)


def _audit_answers(samples: int, delta: float, keep: bool, as_json: bool) -> None:
    """Bounds on epsilon from answers alone, with the exact epsilon of the pair and the claim."""
    from dataclasses import asdict

    from pate.accounting.rounding import down, up
    from pate.aggregation import ConfidentGNMax, GNMax, LNMax, NoisyMax
    from pate.auditing import CONFIDENCE, pairs_for
    from pate.auditing import audit as examine

    mechanisms: tuple[NoisyMax, ...] = (
        GNMax(sigma=2.0),
        LNMax(scale=1.5),
        ConfidentGNMax(threshold=40.0, sigma_threshold=2.0, sigma=2.0, max_answered=10**9),
    )
    findings = [examine(m, pair, samples=samples, delta=delta) for m in mechanisms for pair in pairs_for(m)]
    rows = [{**asdict(finding), "broken": finding.broken} for finding in findings]
    if keep:
        _keep(rows)
    if as_json:
        print_json(rows)
    else:
        cells = []
        for finding in findings:
            bounds = (down(finding.lower), up(finding.exact), up(finding.claim))
            name = finding.mechanism.split("(")[0]
            cells.append((name, finding.pair, *bounds, "BROKEN" if finding.broken else "within the claim"))
        print_table(("mechanism", "neighbours", "lower bound", "exact", "claim", "verdict"), cells)
        print(
            f"Epsilon of two queries at delta {delta:g}, nats; each lower bound holds with probability "
            f"{CONFIDENCE:.6f}, from {samples} campaigns per neighbour."
        )
    if any(finding.broken for finding in findings):
        raise LedgerError(
            "Expected answers that reveal less than is claimed, got more; release nothing with this mechanism"
        )


def _audit_records(path: Path, records: int, seed: int, as_json: bool) -> None:
    """Audit the path from records to votes."""
    from dataclasses import asdict

    from pipelines.config.experiment import load
    from pipelines.operations.records_audit import audit_records

    done = 0

    def on_run(runs: int) -> None:
        nonlocal done
        done += runs
        if sys.stderr.isatty():
            end = "\n" if done == records + 2 else ""
            print(f"\r{done} of {records + 2} runs", end=end, file=sys.stderr, flush=True)

    found = audit_records(load(path), records=records, seed=seed, on_run=on_run)
    if as_json:
        rows = [{**asdict(row), "kind": row.kind.value, "broken": row.broken} for row in found.rows]
        print_json({**asdict(found), "rows": rows, "broken": found.broken})
    else:
        _show(found)
    if found.broken:
        raise PrivacyViolation(
            "Expected one privacy unit to move at most the votes charged and nothing public, got more; release nothing "
            "from such records with this configuration"
        )


def _show(found: Findings) -> None:
    """Print the table."""
    cells = []
    for row in found.rows:
        counts = (str(count) for count in (row.runs, row.refused, row.moved, row.teachers, row.allowed))
        told = "unchanged" if row.told == 0 else f"changed in {row.told}"
        cells.append((row.kind.value, *counts, told, "BROKEN" if row.broken else "holds"))
    columns = (
        "change of one unit",
        "runs",
        "refused",
        "votes moved",
        "teachers",
        "charged",
        "public output",
        "verdict",
    )
    print_table(columns, cells)
    print(
        f"Votes moved: most on one of {found.queries} queries; teachers: most that were trained differently, of "
        f"{found.teachers}; refused: runs that ended with the fixed sentence about records. The counts depend on "
        "private votes: show them only to those who hold the records."
    )
    if found.simulated:
        print("A public benchmark, audited as if its records were private.")


def _keep(rows: list[dict[str, Any]]) -> None:
    """Keep the findings and add them to existing reports."""
    from pate.values import Released
    from pipelines.operations.report_renewal import renew_reports
    from pipelines.storage.audit_file import keep_audit

    changed, left = renew_reports(home(), Released.public(keep_audit(home(), rows)))
    for run_id in changed:
        print(f"{run_id}: report renewed; `pate sync {run_id}` delivers it to MLflow", file=sys.stderr)
    for run_id, reason in left.items():
        print(f"pate: warning: report of {run_id} not renewed. {reason}", file=sys.stderr)
