"""``pate audit``: try to tell neighbours apart from the answers alone; with a configuration, from records to votes."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pate.accounting.rounding import down, up
from pate.errors import LedgerError, PrivacyViolation, expected
from pate.values import Released
from pipelines.cli.output import JsonOption, print_json, print_table
from pipelines.storage.audit_file import keep_audit
from pipelines.storage.home import home

if TYPE_CHECKING:
    from pipelines.operations.records_audit import Findings


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    text = (
        "Test the aggregator from outside, on made-up neighbours; with CONFIG and --records, change one privacy unit "
        "after the other in copies of its private files and count the votes that move."
    )
    app.command(
        short_help="Test the aggregator, or the way from records to votes. Example: pate audit --samples 20000",
        help=f"{text}\n\nExample: pate audit configs/smoke.yaml --records 15",
    )(audit)


def audit(
    config: Annotated[
        Path | None, typer.Argument(metavar="CONFIG", help="YAML file of an experiment whose records are changed")
    ] = None,
    records: Annotated[
        int | None,
        typer.Option(min=1, help="with CONFIG: privacy units that are changed, each of which costs a run to the votes"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="with CONFIG: of the choice of units and changes")] = 0,
    samples: Annotated[int, typer.Option(min=8, help="campaigns asked of each neighbour")] = 20_000,
    delta: Annotated[float, typer.Option(help="failure probability that all three epsilons grant")] = 1e-2,
    keep: Annotated[
        bool, typer.Option("--keep", help="put the findings into the reports of runs, those there and later ones")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Test the aggregator, or with a configuration the way from its records to votes."""
    if (config is None) == (records is not None) or (keep and config is not None):
        raise expected(
            "CONFIG and --records together, without --keep, or neither of them",
            "say how many units are changed: pate audit CONFIG --records 15",
            records=records,
        )
    if config is not None and records is not None:
        _audit_records(config, records, seed, as_json)
    else:
        _audit_answers(samples, delta, keep, as_json)


def _audit_answers(samples: int, delta: float, keep: bool, as_json: bool) -> None:
    """What answers give away, beside the pair's exact epsilon and the claim."""
    from pate.aggregation import ConfidentGNMax, GNMax, LNMax, NoisyMax  # noqa: PLC0415
    from pate.auditing import CONFIDENCE, pairs_for  # noqa: PLC0415
    from pate.auditing import audit as examine  # noqa: PLC0415

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
            figures = (down(finding.lower), up(finding.exact), up(finding.claim))
            name = finding.mechanism.split("(")[0]
            cells.append((name, finding.pair, *figures, "BROKEN" if finding.broken else "below the claim"))
        print_table(("mechanism", "neighbours", "at least", "exact", "claim", "verdict"), cells)
        print(
            f"epsilon of two queries at delta {delta:g}, nats; each lower bound holds with probability "
            f"{CONFIDENCE:.6f}, from {samples} campaigns of each neighbour"
        )
    if any(finding.broken for finding in findings):
        raise LedgerError("Expected answers that give away less than is claimed, got more; release nothing with this")


def _audit_records(path: Path, records: int, seed: int, as_json: bool) -> None:
    """From records to votes."""
    from pipelines.config.experiment import load  # noqa: PLC0415 - loads torch
    from pipelines.operations.records_audit import audit_records  # noqa: PLC0415

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
            "Expected one privacy unit to move the votes that are charged and nothing public, got more; release "
            "nothing from such records with this configuration"
        )


def _show(found: Findings) -> None:
    """The table for a person."""
    cells = []
    for row in found.rows:
        counts = (str(count) for count in (row.runs, row.refused, row.moved, row.teachers, row.allowed))
        told = "the same" if row.told == 0 else f"other in {row.told}"
        cells.append((row.kind.value, *counts, told, "BROKEN" if row.broken else "holds"))
    columns = ("one unit changed", "runs", "refused", "votes moved", "teachers", "charged", "public side", "verdict")
    print_table(columns, cells)
    print(
        f"most votes moved on one of {found.queries} queries and most teachers that learned something else, out of "
        f"{found.teachers}; refused: ended with the one sentence about records. The counts follow from private votes: "
        "they are for whoever holds the records"
    )
    if found.simulated:
        print("a public benchmark, audited as if its records were somebody's")


def _keep(rows: list[dict[str, Any]]) -> None:
    """Keep the findings and put them into the reports that are there."""
    from pipelines.operations.report_renewal import renew_reports  # noqa: PLC0415 - loads torch

    changed, left = renew_reports(home(), Released.public(keep_audit(home(), rows)))
    for run_id in changed:
        print(f"{run_id}: report renewed; `pate sync {run_id}` delivers it to MLflow", file=sys.stderr)
    for run_id, reason in left.items():
        print(f"pate: warning: report of {run_id} not renewed. {reason}", file=sys.stderr)
