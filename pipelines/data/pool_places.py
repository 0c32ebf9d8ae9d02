"""The public file and row of an input of the pool, as released labels name them."""

from __future__ import annotations

import os
from pathlib import Path

from pate.data import PublicPool, Study
from pate.data.origin import FILE_BITS
from pipelines.config.data import Files, FilesData, NpzData
from pipelines.config.experiment import Config


def place_in_pool(config: Config, study: Study, position: int) -> dict[str, str | int]:
    """File and row of one input: ``{"file": "pool.csv", "row": 17}``, rows from 0 without the header.

    Nothing is named where the pool was drawn from private files. A file below the configuration's folder is named by
    its path there; of any other only the last part is named.
    """
    data = config.data
    if not isinstance(data, FilesData) or not data.pool_files:
        return {}
    if isinstance(data, NpzData) and len({file.site for file in data.pool_files}) > 1:
        return {}  # archives are numbered for each site
    return _place(study.pool, data.pool_files, data.folder, position)


def _place(pool: PublicPool, files: Files, folder: Path, position: int) -> dict[str, str | int]:
    if pool.paths is not None:
        return {"file": _shown(Path(pool.paths[position]), folder)}
    if pool.positions_M is None:
        return {}
    number, row = divmod(int(pool.positions_M[position]), 1 << FILE_BITS)
    return {"file": _shown(files[number].path, folder), "row": row}


def _shown(path: Path, folder: Path) -> str:
    whole = Path(os.path.normpath(folder / path))
    return whole.relative_to(folder).as_posix() if whole.is_relative_to(folder) else whole.name
