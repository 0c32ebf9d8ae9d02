"""The command ``pate``: refuse other packages of the names ``pate`` and ``pipelines``, then start.

Both names are common. A folder of one of them on ``PYTHONPATH`` precedes the installed packages.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = {"pate": "ledger/campaigns.py", "pipelines": "run/label_and_train.py"}
"""Each package, and a module by which it is recognised."""


def main() -> None:
    """Entry point of the console script and of ``python -m pipelines``."""
    for name in PACKAGES:
        other = shadow(name)
        if other is not None:
            sys.exit(_refuse(name, other))
    from pipelines.cli import main as start  # noqa: PLC0415 - only once it is known to be ours

    start()


def shadow(name: str) -> Path | None:
    """File or folder of another package that Python finds in place of ours, or ``None``.

    A copy of both packages in one folder is ours: a job's working directory holds one beside the installed packages.
    """
    spec = find_spec(name)
    if spec is None:
        return None  # its import says so
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    if any(_holds_both(folder.parent) for folder in folders):
        return None
    return Path(spec.origin) if spec.origin else folders[0]


def _holds_both(folder: Path) -> bool:
    return all((folder / name / module).is_file() for name, module in PACKAGES.items())


def _refuse(name: str, other: Path) -> int:
    entry = other.parent.parent if other.name == "__init__.py" else other.parent
    listed = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    remedy = f"remove {entry} from PYTHONPATH" if str(entry) in listed else "rename it, or start in another folder"
    sys.stderr.write(
        f"pate: error: Expected the package {name} of pate-labelling, got another one in {other}; {remedy}\n"
    )
    return 2
