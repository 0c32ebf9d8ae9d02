"""Data of a configuration: the study and its partition."""

from __future__ import annotations

from typing import Literal

from pate.data import Partition, Study, partition
from pate.data.body import Split
from pate.data.encoding import ColumnEncoder
from pate.data.files.image_reading import OnDone
from pate.data.files.images import Pixels, image_records, image_study
from pate.data.files.npz import npz_records, npz_study
from pate.data.files.table import table_records, table_study
from pate.data.private_side import private_side
from pate.data.records import PrivateRecords
from pate.data.study import without_units
from pate.data.vision import vision_study
from pate.errors import expected
from pipelines.config.data import DigitsData, Files, FilesData, ImagesData, NpzData, TableData, VisionData
from pipelines.config.experiment import Config
from pipelines.data.embedded_digits import embedded_digits
from pipelines.data.readers import image_sources, npz_arrays, npz_files, table_columns, table_files
from pipelines.data.shared_files import refuse_shared_files
from pipelines.data.shipped_sets import folder_of
from pipelines.data.site_shares import shares


def load_study(config: Config, on_done: OnDone | None = None) -> Study:
    """The data that the configuration names.

    Args:
        config: the experiment.
        on_done: receives the hundredths of the private images that were read.

    Raises:
        InputError: one line with the configuration key and the remedy.
        RecordsRefused: private records that cannot be used.
        PrivacyViolation: private files as pool or evaluation set.
    """
    study = _study(config, on_done)
    if config.sites is not None and study.private is not None and study.benchmark is None:
        raise expected(
            "data.pool_files where sites is given",
            "a pool cannot be drawn from records that stay at their sites; name public files",
        )
    return study


def load_records(
    config: Config, *, site: str, encoding: str | None, classes: tuple[str, ...], public_units: tuple[str, ...] = ()
) -> PrivateRecords:
    """The records of one site, on a node of that site, without those of units in the public files.

    Args:
        config: the experiment.
        site: the site.
        encoding: of the study, for tables.
        classes: of the study.
        public_units: of the study.

    Raises:
        InputError: as ``load_study``.
    """
    return without_units(_site_records(config, site, encoding, classes), public_units)


def _site_records(config: Config, site: str, encoding: str | None, classes: tuple[str, ...]) -> PrivateRecords:
    data = config.data
    if not isinstance(data, FilesData):
        raise expected("data in files", "declare them", source=data.source)
    own = data.model_copy(update={"private_files": tuple(file for file in data.private_files if file.site == site)})
    root = data.folder if data.set is None else folder_of(data.set)
    if isinstance(own, NpzData):
        return npz_records(npz_files(own.private_files, root), arrays=npz_arrays(own), classes=classes)
    if isinstance(own, ImagesData):
        pixels = Pixels(**own.pixels.model_dump())
        return image_records(image_sources(own.private_files, own, root), pixels=pixels, classes=classes)
    if not isinstance(own, TableData) or encoding is None:
        raise expected("a table with the encoding of its study", "give it", source=data.source)
    encoder = ColumnEncoder.from_json(encoding)
    return table_records(
        table_files(own.private_files, own, root), columns=table_columns(own), classes=classes, encoder=encoder
    )


def _study(config: Config, on_done: OnDone | None) -> Study:
    data = config.data
    if isinstance(data, DigitsData):
        return embedded_digits(data, config.seed)
    if isinstance(data, VisionData):
        root = folder_of(data.source).parent
        return vision_study(data.source, root, rotation=data.rotation, private=data.private)
    private = data.private_files if not config.held_at_sites else ()
    return _from_files(data, private, whole_pool=config.votes_are_given, on_done=on_done)


def deal(config: Config, study: Study) -> Partition:
    """The partition that the configuration asks for, of records that this process holds.

    Raises:
        InputError: the configuration cannot be followed.
        RecordsRefused: the records cannot be assigned as configured.
    """
    sites = shares(config, study)
    if config.partition.label_skew is not None and study.benchmark is None:
        raise expected(
            "no partition.label_skew on data that are not a public benchmark",
            "remove the key: it assigns by label, so one record changes all assignments",
            label_skew=config.partition.label_skew,
        )
    with private_side():
        return partition(
            study.held_here,
            teachers=config.partition.teachers,
            by=config.partition.by,
            seed=config.seed,
            group_size=config.partition.group_size,
            sites=sites,
            label_skew=config.partition.label_skew,
            equal_records=equal_records(config, benchmark=study.benchmark is not None),
        )


def equal_records(config: Config, *, benchmark: bool) -> Literal["refuse", "different_units"]:
    """Meaning of equal records without ids; a public benchmark has no duplicates."""
    if benchmark or not isinstance(config.data, FilesData):
        return "different_units"
    return config.data.equal_records


def _from_files(
    data: NpzData | ImagesData | TableData, private: Files, *, whole_pool: bool, on_done: OnDone | None
) -> Study:
    """The study of some files; without private ones, its public part."""
    root = data.folder if data.set is None else folder_of(data.set)
    if private:
        refuse_shared_files(data, root)
    split, sizes = Split(**data.split.model_dump(), whole_pool=whole_pool), (data.pool, data.evaluation)
    every = (private, data.pool_files, data.evaluation_files)
    if isinstance(data, NpzData):
        mine, others, held = (npz_files(files, root) for files in every)
        return npz_study(
            task=data.task, classes=data.classes, private=mine, pool=others, evaluation=held,
            arrays=npz_arrays(data), split=split, sizes=sizes,
        )  # fmt: skip
    if isinstance(data, ImagesData):
        own, unlabelled, labelled = (image_sources(files, data, root) for files in every)
        return image_study(
            task=data.task, classes=data.classes, private=own, pool=unlabelled, evaluation=labelled,
            pixels=Pixels(**data.pixels.model_dump()), split=split, sizes=sizes, on_done=on_done,
        )  # fmt: skip
    tables, pool, evaluation = (table_files(files, data, root) for files in every)
    return table_study(
        task=data.task, private=tables, pool=pool, evaluation=evaluation, columns=table_columns(data), split=split,
        sizes=sizes,
    )  # fmt: skip
