"""`pate new` on tables as hospitals send them: what is recognised, proposed, left out or refused."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from pipelines.cli.app import run
from pipelines.config.data import FormatConfig, TableData
from pipelines.config.experiment import load
from pipelines.data.sources import load_study
from pipelines.operations.doctor import examine

CASES = ["pid", "alter", "hb", "crp", "geschlecht", "diagnose"]


def patients(count: int, first: int) -> pd.DataFrame:
    rng = np.random.default_rng(first)
    return pd.DataFrame(
        {
            "pid": [f"P{first + row:05d}" for row in range(count)],
            "alter": rng.integers(20, 90, count),
            "hb": rng.normal(14, 2, count).round(1),
            "crp": rng.exponential(10, count).round(2),
            "geschlecht": rng.choice(["männlich", "weiblich"], count),
            "diagnose": rng.choice(["gesund", "krank"], count, p=[0.6, 0.4]),
        }
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    patients(300, 100).to_csv(tmp_path / "private.csv", index=False)
    patients(150, 5000).to_csv(tmp_path / "public.csv", index=False)
    return tmp_path


def new(*words: str, label: str = "diagnose", private: str = "private.csv", public: str = "public.csv") -> int:
    return run(["new", "mine", "--from", private, "--public", public, "--label", label, "--unit", "pid", *words])


def written(place: Path) -> TableData:
    data = load(place / "mine" / "mine.yaml").data
    assert isinstance(data, TableData)
    return data


def numeric(data: TableData) -> list[str]:
    return [name for group in data.features.numeric for name in group.columns]


def categorical(data: TableData) -> list[str]:
    return [name for group in data.features.categorical for name in group.columns]


def german(table: pd.DataFrame, thousands: str = "") -> str:
    own = table.copy()
    own["crp"] = [f"{1000 * value + 0.25:,.2f}".translate(str.maketrans(",.", "_,")) for value in own["crp"]]
    own["crp"] = own["crp"].str.replace("_", thousands)
    return own.to_csv(index=False, sep=";", decimal=",")


def excel(path: Path, table: pd.DataFrame) -> None:
    book = openpyxl.Workbook()
    for row in [list(table.columns), *table.to_numpy().tolist()]:
        book.active.append(row)
    book.save(path)


FORMATS: dict[str, tuple[str, Callable[[Path, pd.DataFrame], object], dict[str, str]]] = {
    "comma": ("a.csv", lambda p, t: p.write_text(t.to_csv(index=False)), {}),
    "Latin-1": ("a.csv", lambda p, t: p.write_bytes(t.to_csv(index=False).encode("latin-1")), {"encoding": "cp1252"}),
    "DOS": ("a.csv", lambda p, t: p.write_bytes(t.to_csv(index=False).encode("cp850")), {"encoding": "cp850"}),
    "UTF-16": ("a.csv", lambda p, t: p.write_bytes(t.to_csv(index=False).encode("utf-16")), {"encoding": "utf-16"}),
    "mark": ("a.csv", lambda p, t: p.write_bytes(t.to_csv(index=False).encode("utf-8-sig")), {}),
    "tabs": ("a.txt", lambda p, t: p.write_text(t.to_csv(index=False, sep="\t")), {"separator": "\t"}),
    "gzip": ("a.csv.gz", lambda p, t: p.write_bytes(gzip.compress(t.to_csv(index=False).encode())), {}),
    "German": ("a.csv", lambda p, t: p.write_text(german(t)), {"separator": ";", "decimal": ","}),
    "German thousands": (
        "a.csv",
        lambda p, t: p.write_text(german(t, ".")),
        {"separator": ";", "decimal": ",", "thousands": "."},
    ),
    "Swiss thousands": (
        "a.csv",
        lambda p, t: p.write_text(t.assign(crp=[f"{5000 + v:,.2f}".replace(",", "'") for v in t["crp"]]).to_csv()),
        {"thousands": "'"},
    ),
    "Excel": ("a.xlsx", excel, {}),
    "Parquet": ("a.parquet", lambda p, t: t.to_parquet(p, index=False), {}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_of_public_files_is_recognised_and_the_configuration_loads(
    place: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    ending, write, keys = FORMATS[name]
    for role, count, first in (("private", 300, 100), ("public", 150, 5000)):
        write(place / f"{role}-{ending}", patients(count, first))
    assert new(private=f"private-{ending}", public=f"public-{ending}") == 0
    assert ("recognised in public files: " in capsys.readouterr().err) == bool(keys)
    data = written(place)
    assert data.format == FormatConfig.model_validate(keys)
    assert numeric(data) == ["alter", "hb", "crp"]
    assert "geschlecht" in categorical(data)
    study = load_study(load(place / "mine" / "mine.yaml"))
    assert (len(study.held_here), len(study.pool), len(study.evaluation)) == (300, 100, 50)
    assert study.classes == ("gesund", "krank")
    assert study.encoding is not None
    assert "männlich" in study.encoding.encode().decode("unicode_escape").encode("latin-1", "ignore").decode("latin-1")


def test_a_private_file_with_another_first_line_gets_a_format_of_its_own(place: Path) -> None:
    (place / "south.csv").write_text(patients(200, 900).drop(columns=["hb", "crp"]).to_csv(index=False, sep=";"))
    patients(300, 100).drop(columns=["hb", "crp"]).to_csv(place / "private.csv", index=False)
    patients(150, 5000).drop(columns=["hb", "crp"]).to_csv(place / "public.csv", index=False)
    assert new("--from", "south.csv") == 0
    data = written(place)
    assert data.private_files[0].format is None
    assert data.private_files[1].format == FormatConfig(separator=";")
    assert len(load_study(load(place / "mine" / "mine.yaml")).held_here) == 500


def test_the_format_can_be_named(place: Path) -> None:
    for name in ("private.csv", "public.csv"):
        path = place / name
        path.write_bytes(path.read_text().replace(",", "\t").encode("iso8859-15"))
    assert new("--separator", "tab", "--encoding", "iso-8859-15") == 0
    assert written(place).format == FormatConfig(separator="\t", encoding="iso8859-15")
    assert load_study(load(place / "mine" / "mine.yaml")).classes == ("gesund", "krank")


def test_numbers_that_can_be_read_in_two_ways_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("private.csv", "public.csv"):
        table = pd.read_csv(place / name)[["pid", "diagnose"]]
        table["zellen"] = [f"{1 + row % 9},{row % 6 + 100}" for row in range(len(table))]
        table.to_csv(place / name, index=False, sep=";")
    assert new() == 2
    assert "say --decimal ',' or --thousands ',' for values such as 1,234 in 'zellen'" in capsys.readouterr().err
    assert new("--thousands", ",") == 0
    assert written(place).format == FormatConfig(separator=";", thousands=",")
    assert not (place / "mine2").exists()


def test_limits_and_words_for_missing_leave_a_column_numeric(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("private.csv", "public.csv"):
        table = pd.read_csv(place / name, dtype=str)
        for row, text in enumerate(("NA", "-", "<5", "< 0.5", "N/A", "hämolytisch")):
            table.loc[row, "crp"] = text
        table.loc[7, "geschlecht"] = "?"
        table.loc[: len(table) * 2 // 3, "hb"] = "?"
        table.to_csv(place / name, index=False)
    assert new() == 0
    said = capsys.readouterr().err
    assert "'<5' as 5, '< 0.5' as 0.5" in said
    data = written(place)
    assert numeric(data) == ["alter", "hb", "crp"]
    assert set(data.format.missing) == {"NA", "-", "N/A", "hämolytisch", "?"}
    assert [(row.column, row.text, row.by) for row in data.format.replace] == [
        ("crp", "<5", "5"),
        ("crp", "< 0.5", "0.5"),
    ]
    assert len(load_study(load(place / "mine" / "mine.yaml")).held_here) == 300


def test_a_class_is_not_taken_for_a_missing_value(place: Path) -> None:
    for name in ("private.csv", "public.csv"):
        table = pd.read_csv(place / name, dtype=str)
        table["diagnose"] = table["diagnose"].map({"gesund": "-", "krank": "+"})
        table.loc[3, "crp"] = "-"
        table.to_csv(place / name, index=False)
    assert new() == 0
    data = written(place)
    assert data.format.missing == ()
    assert "crp" not in numeric(data)
    assert load_study(load(place / "mine" / "mine.yaml")).classes == ("+", "-")


def test_ids_dates_and_free_text_are_left_out_with_a_reason(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, first in (("private.csv", 0), ("public.csv", 4000)):
        table = pd.read_csv(place / name)
        count = len(table)
        table["fall"] = range(first, first + count)
        table["aufnahme"] = [f"{1 + row % 28:02d}.{1 + row % 12:02d}.2021" for row in range(count)]
        table["wann"] = [f"2021-03-0{1 + row % 3} 08:{row % 60:02d}" for row in range(count)]
        table["brief"] = [f"Der Patient {row} klagt seit {row % 9} Tagen" for row in range(count)]
        table["raucher"] = ["ja" if row % 3 else "nein" for row in range(count)]
        table["immer"] = "x"
        table["icd"] = [f"C{row % 60:02d}" for row in range(count)]
        table.to_csv(place / name, index=False)
    assert new() == 0
    said = capsys.readouterr().err
    text = (place / "mine" / "mine.yaml").read_text()
    for name, reason in (
        ("fall", "probably an id"),
        ("aufnahme", "derive an age"),
        ("wann", "derive an age"),
        ("brief", "probably an id"),
        ("immer", "one value in all public records that have any"),
    ):
        (line,) = (line for line in said.splitlines() if line.startswith(f"  {name}: "))
        assert reason in line
        assert line.endswith("-> left out")
        assert f'# left out: "{name}"' in text
    data = written(place)
    assert numeric(data) == ["alter", "hb", "crp"]
    assert categorical(data) == ["geschlecht", "raucher", "icd"]
    assert data.features.categorical[-1].most_frequent == 50
    assert "raucher: yes or no, 2 different values -> categorical" in said
    assert len(load_study(load(place / "mine" / "mine.yaml")).held_here) == 300


def test_categories_that_differ_in_case_are_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv(place / "public.csv")
    table.loc[:20, "geschlecht"] = "Weiblich"
    table.to_csv(place / "public.csv", index=False)
    assert new() == 0
    assert "'Weiblich' and 'weiblich' apart" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words", "mentions"),
    [
        (lambda t: t, ["--positive", "sick"], ["got positive=['sick']", "public labels are 'gesund' (", "'krank' ("]),
        (lambda t: t, ["--contains", "kran"], ["got contains='kran'"]),
        (lambda t: t, ["--classes", "gesund,tot"], ["--classes to list every public label", "'krank' ("]),
        (lambda t: t, ["--classes", "gesund,krank,tot"], ["public labels of every class", "without_labels=['tot']"]),
        (lambda t: t.assign(diagnose=t["crp"]), [], ["is a measurement: --above NUMBER", "the median is "]),
        (lambda t: t.assign(diagnose=t["alter"]), [], ["is a measurement: --above NUMBER"]),
        (lambda t: t.assign(diagnose=t["crp"]), ["--above", "1e9"], ["without_labels=['positive']"]),
        (lambda t: t.assign(diagnose="gesund"), [], ["two or more classes"]),
        (lambda t: t.assign(diagnose=t["pid"]), [], ["at most 50 classes"]),
        (
            lambda t: t.assign(diagnose=["A|B", "A", "B|C"] * (len(t) // 3)),
            [],
            ["one class in each public label", "--contains FINDING", "'A' (100)"],
        ),
        (lambda t: t.drop(columns="diagnose"), ["--positive", "krank"], ["is evaluated on public labels"]),
        (lambda t: t.assign(diagnose=[None, *t["diagnose"][1:]]), [], ["records_without_label=1", "--evaluation"]),
        (lambda t: t.rename(columns={"hb": "crp"}), [], ["columns=['crp']", "occur more than once"]),
    ],
)
def test_public_labels_that_the_rule_does_not_fit_are_refused_in_one_line(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[pd.DataFrame], pd.DataFrame],
    words: list[str],
    mentions: list[str],
) -> None:
    change(pd.read_csv(place / "public.csv")).to_csv(place / "public.csv", index=False)
    assert new(*words) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert all(text in printed.err for text in mentions), printed.err
    assert not (place / "mine").exists()


def test_one_finding_and_a_threshold_make_two_classes(place: Path) -> None:
    for name in ("private.csv", "public.csv"):
        table = pd.read_csv(place / name)
        table["finding"] = ["A|B", "A", "B|C"] * (len(table) // 3)
        table.to_csv(place / name, index=False)
    assert new("--contains", "B", label="finding") == 0
    labels_N = load_study(load(place / "mine" / "mine.yaml")).held_here.labels_N
    assert labels_N.tolist() == [1, 0, 1] * 100


def test_a_threshold_with_decimal_commas(place: Path) -> None:
    for name in ("private.csv", "public.csv"):
        pd.read_csv(place / name).to_csv(place / name, index=False, sep=";", decimal=",")
    assert new("--above", "7.5", label="crp") == 0
    private = pd.read_csv(place / "private.csv", sep=";", decimal=",")
    labels_N = load_study(load(place / "mine" / "mine.yaml")).held_here.labels_N
    assert labels_N.tolist() == (private["crp"] > 7.5).astype(int).tolist()


def test_patients_with_several_public_records_are_not_divided(place: Path) -> None:
    table = pd.read_csv(place / "public.csv")
    table["pid"] = [f"Q{row // 2 if row > 5 else 0}" for row in range(len(table))]
    table.to_csv(place / "public.csv", index=False)
    assert new() == 0
    config = load(place / "mine" / "mine.yaml")
    assert written(place).split.by == "unit"
    study = load_study(config)
    assert (len(study.pool), len(study.evaluation)) == (95, 50)
    assert study.evaluation.units_E is not None
    rows = pd.read_csv(place / "public.csv").groupby("pid").size()
    units, counts = np.unique(study.evaluation.units_E, return_counts=True)
    assert (counts == rows[units]).sum() >= len(units) - 1, "all but the last unit are whole"


def test_a_rare_class_is_said_before_anything_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv(place / "public.csv")
    table["diagnose"] = ["selten", *["gesund"] * (len(table) - 1)]
    table.to_csv(place / "public.csv", index=False)
    assert new() == 0
    line = "class 'selten' is 0.67% of the public labels: a student that always answers 'gesund' is right in 99.33%"
    assert line in capsys.readouterr().err
    assert line in (place / "mine" / "mine.yaml").read_text()


@pytest.mark.parametrize(("ill", "balanced"), [(0.4, 0), (0.1, 2)])
def test_classes_get_equal_weights_where_one_is_rare_in_public(place: Path, ill: float, balanced: int) -> None:
    public = patients(150, 5000)
    public["diagnose"] = np.where(np.arange(150) < 150 * ill, "krank", "gesund")
    public.to_csv(place / "public.csv", index=False)
    assert new() == 0
    text = (place / "mine" / "mine.yaml").read_text()
    assert text.count("balanced: true") == balanced
    config = load(place / "mine" / "mine.yaml")
    assert config.teachers.training is not None
    assert config.teachers.training.balanced == bool(balanced)


def test_the_written_configuration_gives_the_doctor_nothing_to_say(place: Path) -> None:
    assert new() == 0
    assert examine(place / "home", load(place / "mine" / "mine.yaml"), {}) == []


@pytest.mark.parametrize("cell", ["ä".encode("latin-1"), b"1,5", b"<5", b"NA", b"01.02.2021", b"A|B", b"99.9"])
def test_no_private_cell_changes_the_recognised_format(place: Path, cell: bytes) -> None:
    """A file that cannot be read any more is refused; one that can gives the same configuration."""
    assert new() == 0
    before = (place / "mine" / "mine.yaml").read_text()
    (place / "mine").rename(place / "before")
    lines = (place / "private.csv").read_bytes().splitlines()
    for column in range(1, 6):
        cells = lines[17].split(b",")
        cells[column] = b'"' + cell + b'"'
        (place / "private.csv").write_bytes(b"\n".join([*lines[:17], b",".join(cells), *lines[18:]]))
        assert new() == (2 if not cell.isascii() else 0)
        if cell.isascii():
            assert (place / "mine" / "mine.yaml").read_text() == before
            (place / "mine").rename(place / f"{column}")


@pytest.mark.slow
def test_the_printed_commands_lead_from_german_files_to_a_student(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One hospital writes categories in its own way: it is told, and nothing public shows it."""
    (place / "public.csv").write_bytes(german(patients(150, 5000)).encode("cp1252"))
    for name, first in (("north.csv", 100), ("south.csv", 900)):
        own = patients(200, first)
        if name == "south.csv":
            own["geschlecht"] = own["geschlecht"].map({"männlich": "CANARY-M", "weiblich": "weiblich"})
        (place / name).write_bytes(german(own).encode("cp1252"))
    assert new("--from", "south.csv", private="north.csv") == 0
    steps = re.findall(r"^ +pate (.+)$", capsys.readouterr().out, flags=re.MULTILINE)
    assert [step.split()[0] for step in steps] == ["validate", "run", "report"]
    for step in ("doctor mine/mine.yaml", *steps):
        assert run(step.split()) == 0, capsys.readouterr().err
        printed = capsys.readouterr()
        assert "warning" not in (printed.out + printed.err).lower()
        assert "CANARY" not in printed.out + printed.err
    (note,) = (place / "home").glob("runs/*/private/incidents/unknownvalues*")
    assert run(["incident", note.name]) == 0
    said = capsys.readouterr().out
    assert re.search(r"site 'site_2', column 'geschlecht': \d+ of 200 values are unknown: 'CANARY-M'", said)
    assert "site_1" not in said
    public = [path for path in (place / "home").rglob("*") if path.is_file() and "private" not in path.parts]
    assert not any(b"CANARY" in path.read_bytes() for path in public)


def test_validate_reads_the_files_of_a_public_set_from_which_a_pool_is_drawn(
    place: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = "age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,num"
    files = [data_dir / "heart4" / f"processed.{one}.data" for one in ("cleveland", "hungarian", "va", "switzerland")]
    sources = [word for path in files for word in ("--from", str(path))]
    made = ["--columns", names, "--missing", "?", "--label", "num", "--above", "0"]
    assert run(["new", "heart", *sources, *made]) == 0
    capsys.readouterr()
    assert run(["validate", "heart/heart.yaml"]) == 0
    said = capsys.readouterr().out
    assert "data.private_files: public records of a shipped set" in said
    assert "were not opened" not in said
