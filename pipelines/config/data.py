"""The ``data`` section of a configuration: sources of the private records, the pool and the evaluation set.

Names and paths of files are not part of the configuration that is published: they are left out of every dump, and
of the run id; the content of the data is fingerprinted instead. The user's text (names of columns, categories) is in
values, never in keys: trackers restrict their keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from pate.data.files.file_format import known_encoding
from pate.data.ids import canonical_ids, require_unambiguous
from pate.data.vision import TRAIN, VisionSet
from pipelines.config.fields import Count, Name, Positive, Section, Seed, Text, Texts
from pipelines.config.files.images import ManifestConfig, PixelsConfig

SiteName: TypeAlias = Annotated[Text, AfterValidator(lambda name: str(canonical_ids([name], place="the site")[0]))]
"""In the canonical form of sites."""
Encoding: TypeAlias = Annotated[str, AfterValidator(known_encoding)]


class DigitsData(Section):
    """scikit-learn's bundled handwritten digits, held by simulated hospitals."""

    source: Literal["digits"] = Field(description="the embedded digits")
    data_id: Name = Field(description="name of the private data; the budget is kept under it")
    private: Count = Field(1000, description="private records")
    pool: Count = Field(500, description="public inputs")
    evaluation: Count = Field(297, description="evaluation records")
    hospitals: Count = Field(5, description="simulated hospitals, of unequal size")
    skew: float = Field(
        0.0, ge=0, le=1, description="0: the same classes at every hospital; 1: each has only its own classes"
    )


class VisionData(Section):
    """MNIST or Fashion-MNIST in the usual protocol: 60,000 private, 9,000 in the pool, 1,000 for evaluation."""

    source: VisionSet = Field(description="the data set; `pate data fetch` downloads it")
    data_id: Name = Field(description="name of the private data; the budget is kept under it")
    rotation: int = Field(
        0, ge=0, le=9, strict=True, description="block of 1,000 test images that is held out; 0: the last"
    )
    private: Count = Field(TRAIN, le=TRAIN, description="number of training images used, from the first")

    @property
    def pool(self) -> int:
        """Public inputs."""
        return 9_000


class SplitConfig(Section):
    """Division of one body of records, where no files are named."""

    by: Literal["record", "unit", "site"] = Field(
        "record", description="the group that is never split between private and public"
    )
    seed: Seed = Field(0, description="of the split; independent of the experiment's seed")
    records_may_be_published: bool = Field(
        False, description="confirms that pool and evaluation set may be drawn from the private files"
    )
    shared_units: Literal["leave_out", "keep"] = Field("leave_out", description="units in public files, too")
    later: ClassVar[frozenset[str]] = frozenset({"shared_units"})


class ReplaceConfig(Section):
    """Replacement of one cell text by another."""

    column: Text
    text: Text = Field(description="text in the file, such as '> 89'")
    by: Text = Field(description="its replacement, such as '90'")


class FormatConfig(Section):
    """Format of a table."""

    header: bool = Field(True, description="true if the first line names the columns")
    columns: Texts | None = Field(None, description="names of the columns of files without a header")
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    skip_rows: int = Field(0, ge=0, description="lines before the table begins")
    missing: Texts = Field((), description="texts that mean a missing value, in addition to an empty one")
    replace: tuple[ReplaceConfig, ...] = Field((), description="texts to replace")
    encoding: Encoding = Field("utf-8", description="of text files, such as cp1252 (Windows), latin-1 or utf-16")
    decimal: Literal[".", ","] = Field(".", description="decimal sign of numbers in text")
    thousands: Literal[",", ".", " ", "'"] | None = Field(None, description="sign between groups of three digits")
    sheet: Text | None = Field(None, description="sheet of Excel files; default: the first")

    later: ClassVar[frozenset[str]] = frozenset({"encoding", "decimal", "thousands", "sheet"})

    @model_validator(mode="after")
    def _signs_differ(self) -> FormatConfig:
        if self.decimal == self.thousands:
            raise ValueError(f"Expected thousands that differs from decimal, got {self.decimal!r} as both")
        return self


class WhereConfig(Section):
    """The only value of a column whose rows are used."""

    column: Text
    value: Text


class JoinConfig(Section):
    """Another table whose columns are added, matched on one column."""

    path: Path = Field(exclude=True)
    column: Text = Field(description="the column that both have; unique in the other table after `where`")
    where: tuple[WhereConfig, ...] = Field((), description="rows of the other table that are used")
    take: tuple[str, ...] | None = Field(None, description="columns to add; default: all")
    unmatched: Literal["keep", "drop"] = Field("drop", description="records without a matching row")
    format: FormatConfig | None = Field(None, description="default: as data.format")


class FileConfig(Section):
    """One file of records, or one folder of images."""

    path: Path
    site: SiteName | None = Field(None, description="the site of all its records")
    prefix: str = Field("", description="npz: before the names of the arrays, such as train_")
    format: FormatConfig | None = Field(None, description="table: default: as data.format")
    join: tuple[JoinConfig, ...] | None = Field(None, description="table: default: as data.join")


def _as_file(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


Files: TypeAlias = tuple[Annotated[FileConfig, BeforeValidator(_as_file)], ...]


class FilesData(Section):
    """Keys of all sources that read files."""

    data_id: Name = Field(description="name of the private data; the budget is kept under it")
    task: str = Field(description="the labelling task; answers are kept per data_id and task")
    set: Name | None = Field(None, description="a shipped public set: paths start at its folder")
    private_files: Files = Field((), exclude=True, description="the records that teachers learn from")
    pool_files: Files = Field((), exclude=True, description="public inputs; default: drawn, see split")
    evaluation_files: Files = Field((), exclude=True, description="labelled public records; default: drawn, see split")
    split: SplitConfig = SplitConfig()
    pool: Count = Field(description="number of public inputs; drawn at random where there are more")
    evaluation: Count = Field(description="number of evaluation records; drawn at random where there are more")
    equal_records: Literal["refuse", "different_units"] = Field(
        "refuse",
        description="equal private records without ids: refuse them as one unit, or declare them different units",
    )
    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    def model_post_init(self, context: Any) -> None:
        """Relative paths start at the configuration's folder."""
        if isinstance(context, dict) and "folder" in context:
            self._folder = context["folder"]

    @model_validator(mode="after")
    def _sites_differ(self) -> FilesData:
        sites = [file.site for file in self.private_files]
        named = dict.fromkeys(site for site in sites if site is not None)
        require_unambiguous(list(named), place="data.private_files", what="sites")
        return self

    @property
    def folder(self) -> Path:
        """The configuration's folder."""
        return self._folder


class NpzData(FilesData):
    """Images and labels in NumPy archives."""

    source: Literal["npz"]
    classes: Texts = Field(min_length=2, description="names of the classes, in the order of the stored indices")
    image_array: str = Field("images", description="name of the array, after the file's prefix")
    label_array: str = Field("labels", description="name of the array, after the file's prefix")
    unit_array: str | None = Field(None, description="privacy unit of each image")
    site_array: str | None = Field(None, description="site of each image")


class ImagesData(FilesData):
    """Images in folders or manifests."""

    source: Literal["images"]
    classes: Texts = Field(min_length=2, description="names of the classes: the folders' or those in the manifests")
    pixels: PixelsConfig
    manifest: ManifestConfig | None = Field(
        None, description="default: manifests have no columns but path, label, unit and site"
    )
    dicom_unit: Literal["patient", "image"] = Field(
        "patient", description="privacy unit of DICOM files without a unit in a manifest: their PatientID, or each file"
    )

    later: ClassVar[frozenset[str]] = frozenset({"manifest", "dicom_unit"})


class LabelConfig(Section):
    """Column of the label; exactly one of positive, contains, above and classes."""

    column: Text
    positive: Texts | None = Field(
        None, description="values of the positive class (the second); all others are the first"
    )
    contains: Text | None = Field(
        None, description="a finding: labels that list it, such as 'Effusion|Mass', are the positive class (the second)"
    )
    above: float | None = Field(None, description="numbers above this are the positive class (the second)")
    classes: Texts | Literal["public"] | None = Field(None, description="all values; public: those in evaluation_files")
    names: tuple[Text, Text] = Field(("negative", "positive"), description="of two classes")
    missing: Literal["refuse", "drop"] = Field("refuse", description="treatment of records without a label")

    later: ClassVar[frozenset[str]] = frozenset({"contains"})


class MissingConfig(Section):
    """Replacement of a missing number."""

    strategy: Literal["constant", "public_median"]
    value: float | None = None
    indicator: bool = Field(False, description="add a feature that is 1 where the value is missing")


class NumericConfig(Section):
    """Columns of numbers that are treated alike."""

    columns: Texts = Field(min_length=1)
    missing: MissingConfig | None = Field(None, description="default: records without the number are refused")
    scale: Literal["public", "none"] = Field("public", description="by mean and deviation of the public pool")
    clip: Positive | None = Field(None, description="largest absolute value after scaling")


class CategoriesConfig(Section):
    """The declared categories of a column."""

    column: Text
    values: Texts = Field(min_length=1)


class CategoricalConfig(Section):
    """Columns of categories that are treated alike."""

    columns: Texts = Field(min_length=1)
    unknown: Literal["ignore", "refuse"] = Field(
        description="treatment of a category that is neither in the list nor in the pool"
    )
    categories: tuple[CategoriesConfig, ...] = Field((), description="default: those that occur in the pool")
    missing: Literal["category", "ignore", "refuse"] = "refuse"
    most_frequent: Count | None = Field(
        None, description="only this many categories of the pool become features; all others share one, '(other)'"
    )
    prefix: Count | None = Field(
        None, description="values are compared by this many first characters, such as 3 for the group of an ICD code"
    )
    later: ClassVar[frozenset[str]] = frozenset({"most_frequent", "prefix"})

    @model_validator(mode="before")
    @classmethod
    def _others_are_known(cls, values: Any) -> Any:
        """With ``most_frequent`` every value has a feature, so ``unknown`` need not be written."""
        if isinstance(values, dict) and values.get("most_frequent") is not None:
            return {"unknown": "ignore", **values}
        return values


class ColumnsConfig(Section):
    """Columns that are features; fitted on the public pool alone, or declared."""

    numeric: tuple[NumericConfig, ...] = ()
    categorical: tuple[CategoricalConfig, ...] = ()


class TableData(FilesData):
    """Tables in text, Excel or Parquet files."""

    source: Literal["table"]
    format: FormatConfig = FormatConfig()
    join: tuple[JoinConfig, ...] = Field((), description="tables whose columns are added to every file")
    label: LabelConfig
    unit: str | None = Field(None, description="column of the privacy unit's id; default: each record is its own unit")
    site: str | None = Field(None, description="column of the site")
    features: ColumnsConfig

    @model_validator(mode="after")
    def _label_is_no_feature(self) -> TableData:
        used = {name for group in self.features.numeric for name in group.columns}
        used |= {name for group in self.features.categorical for name in group.columns}
        if self.label.column in used:
            raise ValueError(
                f"Expected data.features without the label, got {self.label.column!r} in both; remove it there"
            )
        return self


DataConfig: TypeAlias = Annotated[
    DigitsData | VisionData | NpzData | ImagesData | TableData, Field(discriminator="source")
]
