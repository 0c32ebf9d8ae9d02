"""Arguments and options that several commands share, with their shell completion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.config.shipped import find_config, shipped
from pipelines.storage.home import Home, home


def complete_config(incomplete: str) -> list[str]:
    """Names of shipped configurations; where none fits, the shell completes paths."""
    return [name for name in shipped() if name.startswith(incomplete)]


def complete_run(incomplete: str) -> list[str]:
    """Ids of the runs in ``PATE_HOME``."""
    return [run.run_id for run in Home(home()).runs() if run.run_id.startswith(incomplete)]


def overridden(settings: list[str] | None, seed: int | None = None) -> dict[str, Any]:
    """What options replace in a configuration, for ``load``."""
    from pipelines.config.yaml_file import assigned

    return assigned(settings or []) | ({} if seed is None else {"seed": seed})


def _found(path: Path | None) -> Path | None:
    return None if path is None else find_config(path)


CONFIG_HELP = "YAML file of an experiment, or name of a shipped one"

JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON document on standard output")]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="run id, run folder or MLflow run id", autocompletion=complete_run)
]
RunsArgument = Annotated[
    list[str],
    typer.Argument(metavar="RUN...", help="run ids, run folders or MLflow run ids", autocompletion=complete_run),
]
ConfigArgument = Annotated[
    Path, typer.Argument(metavar="CONFIG", help=CONFIG_HELP, callback=_found, autocompletion=complete_config)
]
OptionalConfig = Annotated[
    Path | None, typer.Argument(metavar="[CONFIG]", help=CONFIG_HELP, callback=_found, autocompletion=complete_config)
]
ConfigsArgument = Annotated[
    list[str], typer.Argument(metavar="CONFIG...", help=f"{CONFIG_HELP}; several", autocompletion=complete_config)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="replaces a value of the configuration, such as labelling.mechanism.sigma=12; repeatable; the value is "
        "YAML, and a mapping in it replaces the whole section",
    ),
]
