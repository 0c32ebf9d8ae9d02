"""``pate audit``: try to tell neighbours apart from the answers alone."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from pate.accounting.rounding import down, up
from pate.errors import LedgerError
from pate.values import Released
from pipelines.audit_file import keep_audit
from pipelines.cli.words import JsonOption, add_command, print_json, print_table
from pipelines.store import home


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    add_command(app, audit, "Test the aggregator from outside, on made-up neighbours.", "pate audit --samples 20000")


def audit(
    samples: Annotated[int, typer.Option(min=8, help="campaigns asked of each neighbour")] = 20_000,
    delta: Annotated[float, typer.Option(help="failure probability that all three epsilons grant")] = 1e-2,
    keep: Annotated[
        bool, typer.Option("--keep", help="put the findings into the reports of runs, those there and later ones")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Test the aggregator from outside: what answers give away, beside the pair's exact epsilon and the claim."""
    from pate.aggregation import ConfidentGNMax, GNMax, LNMax, NoisyMax  # noqa: PLC0415
    from pate.audit import CONFIDENCE, pairs_for  # noqa: PLC0415
    from pate.audit import audit as examine  # noqa: PLC0415

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


def _keep(rows: list[dict[str, Any]]) -> None:
    """Keep the findings and put them into the reports that are there."""
    from pipelines.report_renewal import renew_reports  # noqa: PLC0415 - loads torch

    changed, left = renew_reports(home(), Released.public(keep_audit(home(), rows)))
    for run_id in changed:
        print(f"{run_id}: report renewed; `pate sync {run_id}` delivers it to MLflow", file=sys.stderr)
    for run_id, reason in left.items():
        print(f"pate: warning: report of {run_id} not renewed. {reason}", file=sys.stderr)
