"""Records are known again as they were read, whatever is made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pate.data import PrivateRecords
from pate.data.body import Split
from pate.data.columns import LabelRule
from pate.data.encoding import NumericColumns
from pate.data.files.images import ImageSource, Pixels, image_study
from pate.data.files.npz import NpzArrays, NpzFile, npz_study
from pate.data.files.table import TableColumns, TableFile, table_study
from pate.data.files.table_file import FileFormat, Join


def frame(seed: int, count: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(20, 90, count),
            "lab": rng.normal(size=count).round(4),
            "ill": rng.choice(["yes", "no"], count),
        }
    )


def table_records(folder: Path, **changes: object) -> PrivateRecords:
    """The private records of a study without ids."""
    features, pool = changes.get("features", ("age", "lab")), changes.get("pool", 1)
    frame(int(pool)).to_csv(folder / "public.csv", index=False)
    public = (TableFile(path=folder / "public.csv"),)
    found = table_study(
        task="t",
        private=(
            TableFile(
                path=changes.get("file", folder / "mine.csv"),
                format=changes.get("format", FileFormat()),
                join=changes.get("join", ()),
            ),
        ),
        pool=public,
        evaluation=(),
        columns=TableColumns(
            label=LabelRule(column="ill", **changes.get("label", {"positive": ("yes",)})),
            numeric=(NumericColumns(columns=features, scale=changes.get("scale", "public")),),
        ),
        split=Split(),
        sizes=(20, 10),
    )
    assert found.private is not None
    return found.private


def shared(one: PrivateRecords, other: PrivateRecords) -> int:
    """How many of a body's records are known in another."""
    known = set(other.known_by())
    rows = [one.take(np.array([row])) for row in range(len(one))]
    whole = set() if one.origin is None else set(one.origin.files)
    return sum(bool((set(row.known_by()) - whole) & known) for row in rows)


def test_a_table_is_known_whatever_its_pool_features_scale_columns_and_label_are(tmp_path: Path) -> None:
    mine = frame(0)
    mine.to_csv(tmp_path / "mine.csv", index=False)
    first = table_records(tmp_path)
    for changes in ({"pool": 5}, {"features": ("lab",)}, {"scale": "none"}, {"label": {"positive": ("no",)}}):
        assert shared(table_records(tmp_path, **changes), first) == 30, changes
    again = tmp_path / "again.csv"
    mine[["ill", "lab", "age"]].to_csv(again, index=False, sep=";")
    assert shared(table_records(tmp_path, file=again, format=FileFormat(separator=";")), first) == 30
    mine.assign(ill="no").iloc[5:].to_parquet(tmp_path / "again.parquet")
    assert shared(table_records(tmp_path, file=tmp_path / "again.parquet"), first) == 25
    frame(9).to_csv(again, index=False)
    assert shared(table_records(tmp_path, file=again), first) == 0, "else the test shows nothing"


def test_an_encoded_record_alone_would_not_be_known(tmp_path: Path) -> None:
    frame(0).to_csv(tmp_path / "mine.csv", index=False)
    one, two = table_records(tmp_path), table_records(tmp_path, pool=5)
    assert not set(one.content_keys()) & set(two.content_keys())


def test_a_file_is_known_under_another_name(tmp_path: Path) -> None:
    frame(0).to_csv(tmp_path / "mine.csv", index=False)
    (tmp_path / "other.csv").write_bytes((tmp_path / "mine.csv").read_bytes())
    one, two = table_records(tmp_path), table_records(tmp_path, file=tmp_path / "other.csv")
    assert one.origin is not None
    assert two.origin is not None
    assert one.origin.files == two.origin.files


def png(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 12), dtype=np.uint8)).save(path)


def test_an_image_is_known_at_another_size_and_keeps_its_place_under_another_label(tmp_path: Path) -> None:
    for number in range(8):
        png(tmp_path / "mine" / ("well" if number % 2 else "ill") / f"{number}.png", number)
        png(tmp_path / "public" / ("well" if number % 2 else "ill") / f"p{number}.png", 100 + number)

    def records(side: int) -> PrivateRecords:
        found = image_study(
            task="t",
            classes=("well", "ill"),
            private=(ImageSource(path=tmp_path / "mine"),),
            pool=(ImageSource(path=tmp_path / "public"),),
            evaluation=(),
            pixels=Pixels(height=side, width=side, channels=1),
            split=Split(),
            sizes=(4, 2),
        ).private
        assert found is not None
        return found

    one, two = records(6), records(9)
    assert shared(two, one) == 8
    places = dict(zip([digests[0] for digests in two.origin.raw], two.positions().tolist(), strict=True))
    (tmp_path / "mine" / "well" / "3.png").rename(tmp_path / "mine" / "ill" / "3.png")
    png(tmp_path / "mine" / "ill" / "0a.png", 55)
    moved = records(9)
    now = dict(zip([digests[0] for digests in moved.origin.raw], moved.positions().tolist(), strict=True))
    assert {name: now[name] for name in places} == places


def test_an_array_is_known_in_another_archive(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(12) % 2)
    np.savez(tmp_path / "b.npz", images=images[3:], labels=(np.arange(12) % 2)[3:] ^ 1)
    np.savez(tmp_path / "p.npz", images=images + 1, labels=np.arange(12) % 2)

    def records(name: str) -> PrivateRecords:
        files = (NpzFile(path=tmp_path / name),)
        found = npz_study(
            task="t", classes=("0", "1"), private=files, pool=(NpzFile(path=tmp_path / "p.npz"),), evaluation=(),
            arrays=NpzArrays(), split=Split(), sizes=(6, 6),
        ).private  # fmt: skip
        assert found is not None
        return found

    assert shared(records("b.npz"), records("a.npz")) == 9


@pytest.mark.parametrize("how", ["blank line", "no partner", "no label"])
def test_a_record_that_is_left_out_keeps_the_places_of_all_others(tmp_path: Path, how: str) -> None:
    mine = frame(0).assign(key=[f"k{n}" for n in range(30)])
    other = pd.DataFrame({"key": [f"k{n}" for n in range(30)], "dose": range(30)})
    more = {
        "join": (Join(path=tmp_path / "other.csv", column="key"),),
        "label": {"positive": ("yes",), "missing": "drop"},
    }
    mine.to_csv(tmp_path / "mine.csv", index=False)
    other.to_csv(tmp_path / "other.csv", index=False)
    before = table_records(tmp_path, **more)
    if how == "no partner":
        other.drop(index=7).to_csv(tmp_path / "other.csv", index=False)
    elif how == "no label":
        mine.assign(ill=mine["ill"].where(mine.index != 7)).to_csv(tmp_path / "mine.csv", index=False)
    else:
        lines = (tmp_path / "mine.csv").read_text().splitlines()
        lines[8] = ""
        (tmp_path / "mine.csv").write_text("\n".join(lines) + "\n")
    after = table_records(tmp_path, **more)
    assert before.positions().tolist() == list(range(30))
    assert after.positions().tolist() == [row for row in range(30) if row != 7]
