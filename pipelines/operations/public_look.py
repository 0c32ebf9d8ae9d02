"""A look at the public side of an experiment before anything is spent: what was read, what was not, and what it holds.

Nothing here depends on a private record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pate.data import Study
from pate.public_sets import recognise_files
from pipelines.cluster.safety import require_address, require_safe_ray
from pipelines.config.data import FilesData, NpzData, TableData, VisionData
from pipelines.config.experiment import Config
from pipelines.config.own_parts import require_importable
from pipelines.data.embedded_digits import embedded_digits
from pipelines.data.public_checks import require_benchmark, require_declared, require_models, require_public
from pipelines.data.shipped_sets import find, folder_of
from pipelines.tracking.destination import destination, require_encrypted

if TYPE_CHECKING:
    from pipelines.operations.table_look import TableLook

RARE = 0.01
"""Share of a class below which accuracy says little about it."""
MOST_CLASSES = 12
"""Most classes whose shares a line shows."""
_VISION_CLASSES, _VISION_SHAPE = 10, (1, 28, 28)
_ELSEWHERE = ("the MLflow server and Ray: not contacted", "the ledger: earlier campaigns may have spent the budget")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClassShare:
    """Public evaluation records of one class."""

    name: str
    records: int
    share: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PublicLook:
    """What the public side holds.

    Attributes:
        read: what was read.
        unread: what was not, with the reason.
        fetch: name of the shipped set that is not here; ``None`` if none is missing.
        pool: number of public inputs.
        evaluation: number of evaluation records.
        features: shape of one input.
        classes: of the evaluation set.
        table: columns, for tables.
    """

    read: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    fetch: str | None = None
    pool: int | None = None
    evaluation: int | None = None
    features: tuple[int, ...] | None = None
    classes: tuple[ClassShare, ...] = ()
    table: TableLook | None = None

    @property
    def majority(self) -> ClassShare | None:
        """The most frequent class: the accuracy of naming it always."""
        return max(self.classes, key=lambda one: one.records, default=None)

    def notes(self) -> tuple[str, ...]:
        """Sentences about what a user may not expect."""
        found = [] if self.table is None else list(self.table.notes)
        for one in self.classes:
            if one.records == 0:
                found.append(f"class {one.name!r} has no evaluation record: nothing will be known about it")
            elif one.share < RARE:
                found.append(
                    f"class {one.name!r} has {one.share:.2%} of the evaluation records: accuracy says little about it; "
                    "look at its own accuracy, balanced accuracy and AUROC"
                )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        content = asdict(self)
        majority = self.majority
        return {**content, "majority_share": None if majority is None else majority.share, "notes": self.notes()}


def check(config: Config, base: Path, environment: Mapping[str, str], *, data: bool = True) -> PublicLook:
    """Everything that a run requires and that can be known without private records or a server.

    Args:
        config: the experiment.
        base: ``PATE_HOME``.
        environment: of the process that would run it.
        data: open the public files.

    Raises:
        PateError: in the words of a run.
    """
    require_importable(config)
    require_encrypted(destination(config.tracking.uri, home=base, experiment=config.tracking.experiment))
    require_address(config.ray.address, environment)
    require_safe_ray(config.ray.address, environment)
    if not data:
        require_declared(config)
        return PublicLook(unread=("any file (--no-data)", *_ELSEWHERE))
    return look_at_public(config)


def look_at_public(config: Config) -> PublicLook:
    """Read everything public, and refuse what a run would refuse because of it.

    Args:
        config: the experiment.

    Raises:
        InputError, PrivacyViolation: in the words of a run.
    """
    require_declared(config)
    data = config.data
    if isinstance(data, FilesData):
        return _files(config, data)
    if isinstance(data, VisionData):
        if find(data.source) is None:
            return PublicLook(fetch=data.source, unread=(f"{data.source}: it is not here", *_ELSEWHERE))
        folder_of(data.source)
        require_models(config, _VISION_SHAPE, classes=_VISION_CLASSES, pool=data.pool)
        return PublicLook(
            read=(f"the files of {data.source}, by their checksums",), unread=_ELSEWHERE, pool=data.pool,
            evaluation=1_000, features=_VISION_SHAPE,
        )  # fmt: skip
    return _of_study(config, embedded_digits(data, config.seed), read=("the embedded digits",), unread=_ELSEWHERE)


def _files(config: Config, data: FilesData) -> PublicLook:
    if data.set is not None and find(data.set) is None:
        return PublicLook(fetch=data.set, unread=(f"{data.set}: it is not here", *_ELSEWHERE))
    from pipelines.data.public_side import public_side  # noqa: PLC0415 - loads pandas; other data need none
    from pipelines.operations.table_look import look_at_tables  # noqa: PLC0415

    public = public_side(config)
    if data.set is None:
        _require_no_benchmark(config, data)
    drawn = public.study is not None and public.study.benchmark is not None
    unread = [*public.unread, *(() if drawn else _private(config, data)), *_ELSEWHERE]
    if public.study is None:
        return PublicLook(unread=tuple(unread))
    names = [name for name in ("data.pool_files", "data.evaluation_files") if getattr(data, name.split(".")[1])]
    read = tuple(names) or (f"data.private_files: public records of {data.set or 'a shipped set'}",)
    table = None
    if public.tables is not None and isinstance(data, TableData):
        table = look_at_tables(public.tables, label=data.label.column, unit=data.unit, site=data.site)
    return _of_study(config, public.study, read=read, unread=tuple(unread), table=table)


def _require_no_benchmark(config: Config, data: FilesData) -> None:
    """Refuse keys for public benchmarks, unless the named files are those of a shipped set, by their checksums."""
    if config.partition.label_skew is None and config.labelling.insecure_seeded_noise is None:
        return
    known = data.private_files and recognise_files([data.folder / file.path for file in data.private_files]) is not None
    require_benchmark(config, benchmark=bool(known) or isinstance(data, NpzData))


def _private(config: Config, data: FilesData) -> Iterator[str]:
    if data.set is not None or not data.private_files:
        return
    if config.held_at_sites:
        yield "data.private_files: they are at their sites"
    else:
        yield "data.private_files: they are there, and were not opened"


def _of_study(
    config: Config, study: Study, *, read: tuple[str, ...], unread: tuple[str, ...], table: TableLook | None = None
) -> PublicLook:
    require_public(config, study)
    labels_E = study.evaluation.labels_E
    counts = [int((labels_E == number).sum()) for number in range(len(study.classes))]
    return PublicLook(
        read=read,
        unread=unread,
        pool=len(study.pool),
        evaluation=len(study.evaluation),
        features=study.input_shape,
        classes=tuple(
            ClassShare(name=name, records=count, share=count / len(labels_E))
            for name, count in zip(study.classes, counts, strict=True)
        ),
        table=table,
    )


def lines(look: PublicLook) -> Iterator[tuple[str, str]]:
    """Names and values, for people."""
    if look.read:
        yield "looked at", ", ".join(look.read)
    yield "not looked at", "; ".join(look.unread)
    if look.pool is not None:
        yield "records", f"{look.pool} in the pool, {look.evaluation} in the evaluation set"
    if look.features is not None:
        shape = " x ".join(map(str, look.features))
        yield ("features", shape) if len(look.features) == 1 else ("inputs", f"images, {shape}")
    if look.majority is not None:
        ranked = sorted(look.classes, key=lambda one: -one.records)
        shares = ", ".join(f"{one.name} {one.share:.1%}" for one in ranked[:MOST_CLASSES])
        more = f" and {len(ranked) - MOST_CLASSES} more" if len(ranked) > MOST_CLASSES else ""
        yield "classes", f"{shares}{more}; always saying {look.majority.name!r} is {look.majority.share:.1%} accurate"
    if look.table is not None:
        yield from look.table.lines()
    for note in look.notes():
        yield "note", note
