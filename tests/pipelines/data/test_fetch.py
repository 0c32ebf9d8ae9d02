"""Downloads against a server on this machine: whole and checked, or not there."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from pate.errors import InputError, Unavailable
from pipelines.cli.app import run
from pipelines.data import shipped_sets
from pipelines.data.fetch import fetch
from pipelines.data.shipped_sets import SETS, ShippedFile, ShippedSet, find

PLAIN = bytes(np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8))
PACKED = b"a,b\n" + b"1,2\n" * 50_000


@dataclass
class Server:
    """What is served at which path, how badly, and what was asked for."""

    content: dict[str, bytes] = field(default_factory=dict)
    cut_after: int | None = None
    ranges: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            body = state.content.get(self.path)
            if body is None:
                self.send_error(404)
                return
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted).group(1)) if wanted and state.ranges else 0
            if start and start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            piece = body[start:]
            self.wfile.write(piece if state.cut_after is None else piece[: state.cut_after])

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Server) -> Path:
    """A set of two files that the server has; returns its folder in PATE_HOME."""
    monkeypatch.delenv("PATE_DATA_DIR", raising=False)
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    files = (
        ShippedFile(name="plain.bin", url="https://example.org/plain.bin", sha256=hashlib.sha256(PLAIN).hexdigest()),
        ShippedFile(
            name="raw/table.csv",
            url="https://example.org/table.csv.gz",
            sha256=hashlib.sha256(PACKED).hexdigest(),
            packed=True,
        ),
    )
    made = ShippedSet(name="toy", title="toy", folder="Toy", licence="none", files=files)
    monkeypatch.setitem(shipped_sets.SETS, "toy", made)
    server.content = {"/Toy/plain.bin": PLAIN, "/Toy/raw/table.csv.gz": gzip.compress(PACKED)}
    return tmp_path / "home" / "data" / "Toy"


def whole(folder: Path) -> None:
    assert (folder / "plain.bin").read_bytes() == PLAIN
    assert (folder / "raw" / "table.csv").read_bytes() == PACKED
    assert not list(folder.rglob(".*.part")) + list(folder.rglob(".*.new"))


def test_a_set_is_downloaded_unpacked_and_checked(toy: Path, server: Server) -> None:
    seen: list[tuple[str, int]] = []
    assert fetch("toy", mirror=server.url, on_file=lambda *row: seen.append(row)) == toy
    whole(toy)
    assert seen == [("plain.bin", len(PLAIN)), ("raw/table.csv", len(PACKED))]
    assert find("toy") == toy
    asked = len(server.asked)
    fetch("toy", mirror=server.url)
    assert len(server.asked) == asked, "what is there is not downloaded again"


def test_a_truncated_download_is_refused_and_the_next_attempt_goes_on(toy: Path, server: Server) -> None:
    server.cut_after = 100_000
    with pytest.raises(Unavailable, match=r"300000 bytes of plain\.bin.*truncated|IncompleteRead"):
        fetch("toy", mirror=server.url)
    assert not (toy / "plain.bin").exists()
    assert find("toy") is None
    kept = (toy / ".plain.bin.part").stat().st_size
    assert kept == 100_000
    server.cut_after = None
    fetch("toy", mirror=server.url)
    whole(toy)
    assert ("/Toy/plain.bin", f"bytes={kept}-") in server.asked


def test_a_server_that_cannot_resume_is_asked_for_the_whole(toy: Path, server: Server) -> None:
    server.cut_after, server.ranges = 50_000, False
    with pytest.raises(Unavailable):
        fetch("toy", mirror=server.url)
    server.cut_after = None
    fetch("toy", mirror=server.url)
    whole(toy)


def test_a_finished_part_is_not_asked_for_beyond_its_end(toy: Path, server: Server) -> None:
    toy.mkdir(parents=True)
    (toy / ".plain.bin.part").write_bytes(PLAIN)
    fetch("toy", mirror=server.url)
    whole(toy)


@pytest.mark.parametrize("path", ["/Toy/plain.bin", "/Toy/raw/table.csv.gz"])
def test_another_checksum_leaves_nothing_behind(toy: Path, server: Server, path: str) -> None:
    right = server.content[path]
    server.content[path] = gzip.compress(PACKED + b"3,4\n") if path.endswith("gz") else PLAIN[:-1] + b"?"
    with pytest.raises(InputError, match="another checksum from 127"):
        fetch("toy", mirror=server.url)
    name = "table.csv" if path.endswith("gz") else "plain.bin"
    assert not [file for file in toy.rglob("*") if name in file.name]
    server.content[path] = right
    fetch("toy", mirror=server.url)
    whole(toy)


def test_an_old_part_of_another_file_is_thrown_away_after_the_check(toy: Path, server: Server) -> None:
    toy.mkdir(parents=True)
    (toy / ".plain.bin.part").write_bytes(b"x" * 1000)
    with pytest.raises(InputError, match="another checksum"):
        fetch("toy", mirror=server.url)
    fetch("toy", mirror=server.url)
    whole(toy)


def test_damaged_compression_is_refused(toy: Path, server: Server) -> None:
    server.content["/Toy/raw/table.csv.gz"] = gzip.compress(PACKED)[:-20]
    with pytest.raises(InputError, match="damaged download"):
        fetch("toy", mirror=server.url)
    assert not (toy / "raw" / "table.csv").exists()


def test_a_damaged_file_in_place_is_replaced(toy: Path, server: Server) -> None:
    fetch("toy", mirror=server.url)
    (toy / "plain.bin").write_bytes(b"broken")
    fetch("toy", mirror=server.url)
    whole(toy)


def test_missing_files_and_silent_servers_are_one_line(toy: Path, server: Server) -> None:
    server.content.clear()
    with pytest.raises(Unavailable, match="HTTP 404"):
        fetch("toy", mirror=server.url)
    with pytest.raises(Unavailable, match="check the network"):
        fetch("toy", mirror="http://127.0.0.1:9")
    with pytest.raises(InputError, match="http or https"):
        fetch("toy", mirror="file:///etc")


def test_data_in_pate_data_dir_are_used_as_they_are(
    toy: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "given" / "Toy"
    (mine / "raw").mkdir(parents=True)
    (mine / "plain.bin").write_bytes(PLAIN)
    (mine / "raw" / "table.csv").write_bytes(PACKED)
    monkeypatch.setenv("PATE_DATA_DIR", str(tmp_path / "given"))
    assert fetch("toy", mirror=server.url) == mine
    assert server.asked == []
    assert not toy.exists()
    (mine / "plain.bin").write_bytes(b"altered")
    with pytest.raises(InputError, match="another checksum"):
        fetch("toy", mirror=server.url)
    assert (mine / "plain.bin").read_bytes() == b"altered"


def test_archives_are_checked_by_their_content(
    toy: Path, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = ShippedFile(name="toy.npz", url="https://example.org/toy.npz", sha256=None, recognised=True)
    monkeypatch.setitem(shipped_sets.SETS, "toy", replace(SETS["toy"], files=(file,)))
    np.savez(tmp_path / "toy.npz", train_images=np.zeros((2, 3, 3), np.uint8), train_labels=np.zeros((2, 1), np.uint8))
    server.content["/Toy/toy.npz"] = (tmp_path / "toy.npz").read_bytes()
    with pytest.raises(InputError, match="another checksum"):
        fetch("toy", mirror=server.url)


def test_repacked_and_reordered_archives_are_the_published_ones(
    data_dir: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PATE_DATA_DIR")
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    with np.load(data_dir / "medmnist" / "breastmnist.npz") as file:
        order = np.random.default_rng(0).permutation(len(file["train_labels"]))
        arrays = {name: file[name][order] if name.startswith("train") else file[name] for name in file}
    np.savez_compressed(tmp_path / "b.npz", **arrays)
    server.content["/medmnist/breastmnist.npz"] = (tmp_path / "b.npz").read_bytes()
    assert (fetch("breastmnist", mirror=server.url) / "breastmnist.npz").is_file()


def test_a_set_that_is_not_published_in_its_form_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PATE_DATA_DIR", raising=False)
    monkeypatch.setenv("PATE_HOME", str(tmp_path))
    assert run(["data", "fetch", "malaria"]) == 2
    printed = capsys.readouterr()
    assert "resized to 28x28" in printed.err
    assert printed.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
    assert run(["data", "fetch", "nothing"]) == 2
    assert "mnist" in capsys.readouterr().err


def test_the_command_prints_folder_and_licence(toy: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "fetch", "toy", "--mirror", server.url]) == 0
    assert capsys.readouterr().out == f"toy: {toy} (licence: none)\n"
    assert run(["data", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["toy"]["folder"] == str(toy)
    assert not rows["malaria"]["fetch"]


def test_the_shipped_checksums_are_those_of_the_real_files(data_dir: Path) -> None:
    for name in SETS:
        folder = find(name)
        assert folder is not None, name
        assert folder == shipped_sets.folder_of(name)
        assert all(file.url is None or file.url.startswith("https://") for file in SETS[name].files)
