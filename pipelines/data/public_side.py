"""The public side of a study, read alone: no private file is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from pate.data import Study
from pate.data.body import Split, require_drawing
from pate.data.files.table import PublicTables, TableFile, shares_a_join, table_study
from pate.data.refusal import require_file
from pate.errors import expected
from pate.public_sets import recognise_files
from pipelines.config.data import ImagesData, NpzData, TableData
from pipelines.config.experiment import Config
from pipelines.data.readers import table_columns, table_files
from pipelines.data.shared_files import refuse_shared_files
from pipelines.data.shipped_sets import folder_of
from pipelines.data.sources import load_study


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSide:
    """What was read.

    Attributes:
        study: of public records alone, or of a public benchmark; ``None`` if nothing was read.
        tables: the public tables before they are encoded, where they are tables.
        unread: the parts of the public side that cannot be read without private files, with the reason.
    """

    study: Study | None
    tables: PublicTables | None = None
    unread: tuple[str, ...] = ()


def public_side(config: Config) -> PublicSide:
    """Read the public files; private ones, where they are named and read on this machine, must be there.

    Args:
        config: the experiment, with data in files.

    Raises:
        InputError, PrivacyViolation: as ``load_study``.
    """
    data = config.data
    if not isinstance(data, NpzData | ImagesData | TableData):
        raise expected("data in files", "declare them", source=data.source)
    root = data.folder if data.set is None else folder_of(data.set)
    found: list[PublicTables] = []
    if data.private_files:
        refuse_shared_files(data, root)
    if not data.pool_files:
        return _drawn(config, data, root)
    if isinstance(data, TableData):
        private, pool, evaluation = (
            table_files(files, data, root) for files in (data.private_files, data.pool_files, data.evaluation_files)
        )
        if shares_a_join(private, (*pool, *evaluation)):
            _require_private(config, data, root, private)
            reason = "data.pool_files, data.evaluation_files: a joined table holds rows of private records too"
            return PublicSide(study=None, unread=(reason,))
        study = table_study(
            task=data.task,
            private=(),
            pool=pool,
            evaluation=evaluation,
            columns=table_columns(data),
            split=Split(**data.split.model_dump(), whole_pool=config.votes_are_given),
            sizes=(data.pool, data.evaluation),
            on_public=found.append,
        )
        _require_private(config, data, root, private)
        return PublicSide(study=study, tables=found[0])
    alone = config.model_copy(update={"data": data.model_copy(update={"private_files": ()})})
    study = load_study(alone)
    _require_private(config, data, root, ())
    return PublicSide(study=study)


def _drawn(config: Config, data: NpzData | ImagesData | TableData, root: Path) -> PublicSide:
    """Pool and evaluation set are drawn from the named private files: public ones if they are a shipped set."""
    if data.set is not None or (isinstance(data, TableData) and _is_public_set(data, root)):
        return PublicSide(study=load_study(config))
    if not isinstance(data, NpzData):  # the arrays of a public set are recognised by their content, when they are read
        require_drawing(Split(**data.split.model_dump()), evaluation=bool(data.evaluation_files), public=False)
    if not config.held_at_sites:
        tables = table_files(data.private_files, data, root) if isinstance(data, TableData) else ()
        _require_private(config, data, root, tables)
    reason = "the pool and the evaluation set: they are drawn from data.private_files, which are not opened"
    return PublicSide(study=None, unread=(reason,))


def _is_public_set(data: TableData, root: Path) -> bool:
    """Return ``True`` if the named files are, byte for byte, those of a shipped set."""
    paths = [path for file in table_files(data.private_files, data, root) for path in file.paths()]
    return all(path.is_file() for path in paths) and recognise_files(paths) is not None


def _require_private(
    config: Config, data: NpzData | ImagesData | TableData, root: Path, tables: tuple[TableFile, ...]
) -> None:
    """Refuse a private file that is not there, as a run does; files at sites are not looked for."""
    if config.held_at_sites:
        return
    for number, file in enumerate(data.private_files):
        paths = tables[number].paths() if tables else (root / file.path,)
        for path in paths:
            if not (isinstance(data, ImagesData) and path.is_dir()):
                require_file(path, key=f"data.private_files[{number}]")
