"""``pate validate | doctor | purge | incident``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from pate.errors import expected
from pipelines.cli.arguments import ConfigArgument, JsonOption, OptionalConfig, RunArgument, SetOption, overridden
from pipelines.cli.output import print_facts, print_json
from pipelines.config.shipped import shown
from pipelines.storage.home import Home, home


def validate(
    config: ConfigArgument,
    settings: SetOption = None,
    no_data: Annotated[bool, typer.Option("--no-data", help="check the configuration alone, and open no file")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a configuration and its public data, look at these, and print its maximum cost."""
    from pate.accounting.rounding import up
    from pipelines.config.experiment import load
    from pipelines.operations.public_look import check, lines

    chosen = load(config, overridden(settings))
    look = check(chosen, home(), os.environ, data=not no_data)
    bound = chosen.campaign_epsilon()
    if as_json:
        cost = {"epsilon": bound.epsilon, "delta": bound.delta, "accountant": bound.accountant}
        print_json({"run_id": chosen.run_id, **cost, "budget": chosen.privacy.epsilon, "public": look.to_dict()})
        return
    here = "valid" if look.fetch is None else f"valid, but the data are not here: `pate data fetch {look.fetch}`"
    print(
        f"{shown(config)}: {here}. Run {chosen.run_id} costs at most epsilon {up(bound.epsilon)} at delta "
        f"{bound.delta:g} ({bound.accountant}); budget {chosen.privacy.epsilon:g}."
    )
    print_facts(list(lines(look)))


def doctor(config: OptionalConfig = None, settings: SetOption = None, as_json: JsonOption = False) -> int:
    """Check folder modes, the ledger, Ray's authentication, the tracking server and unsafe settings."""
    from dataclasses import asdict

    from pipelines.config.experiment import load
    from pipelines.operations import doctor as examination

    findings = examination.examine(home(), None if config is None else load(config, overridden(settings)), os.environ)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            print(f"{finding.about}: {finding.text}\n  fix: {finding.fix}")
        if not findings:
            checked = "modes, ledger, Ray" + ("" if config is None else ", tracking, settings, public data")
            print(f"nothing unsafe found ({checked})")
    return 2 if findings else 0


def purge(
    run: RunArgument,
    days: Annotated[int | None, typer.Option(min=0, help="age in days; default: privacy.retention_days")] = None,
    as_json: JsonOption = False,
) -> None:
    """Delete votes, weights, manifests and incidents past their retention, and record it in the ledger."""
    from pipelines.operations import purge as removal

    folder = Home(home()).find(run)
    removed = removal.purge(folder, folder.base, days=days)
    if as_json:
        print_json({"run_id": folder.run_id, "removed": removed})
        return
    print(f"{folder.run_id}: {', '.join(removed) + ' removed' if removed else 'nothing is past its retention'}")


def incident(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="id in the line of the error")],
    as_json: JsonOption = False,
) -> None:
    """Show the private details of an error to those who may read the private folder."""
    found = [path for path in home().glob(f"**/incidents/{identifier}") if identifier.isalnum()]
    if not found:
        raise expected("the id of an incident", "copy it from the line of the error", id=identifier)
    text = found[0].read_text()
    if as_json:
        print_json({"id": identifier, "text": text})
    else:
        print(text)
