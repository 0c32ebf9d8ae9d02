from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pate.errors import InputError, PrivacyViolation
from pate.models import TreesSpec, fit_trees
from pate.student.export import load_exported, read_spec, save_exported
from pate.values import Private, Released

PUBLIC = Released.public
ROWS = np.random.default_rng(0).random((3, 1, 8, 8), dtype=np.float32)


def _network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256, 10))
    network(torch.from_numpy(ROWS))  # moves the running means, so that evaluation mode matters
    return network


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    with torch.random.fork_rng():
        network = _network()
    folder = tmp_path_factory.mktemp("student")
    save_exported(PUBLIC(network), PUBLIC(ROWS), folder)
    return network, folder


def _rewritten(folder: Path, target: Path, replacements: dict[str, bytes]) -> Path:
    """A copy of an export whose archive has other records, with a description that matches the new archive."""
    target.mkdir()
    with zipfile.ZipFile(folder / "model.pt2") as old, zipfile.ZipFile(target / "model.pt2", "w") as new:
        for name in old.namelist():
            wanted = [content for ending, content in replacements.items() if name.endswith(ending)]
            new.writestr(name, wanted[0] if wanted else old.read(name))
    spec = json.loads((folder / "model.json").read_text())
    spec["digest"] = hashlib.sha256((target / "model.pt2").read_bytes()).hexdigest()
    (target / "model.json").write_text(json.dumps(spec))
    return target


def test_a_loaded_network_has_the_weights_and_computes_the_same(exported: tuple[nn.Module, Path]) -> None:
    network, folder = exported
    assert network.training, "the caller's network stays as it was"
    loaded = load_exported(folder)
    expected, found = network.state_dict(), loaded.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    network.eval()
    for rows in (1, 2, 17):
        batch = torch.rand(rows, 1, 8, 8)
        with torch.no_grad():
            torch.testing.assert_close(loaded(batch), network(batch))
    network.train()


def test_the_description_says_what_the_network_takes_and_gives(exported: tuple[nn.Module, Path]) -> None:
    network, folder = exported
    spec = read_spec(folder)
    assert (spec.input_shape, spec.input_dtype) == ((1, 8, 8), "float32")
    assert (spec.output_shape, spec.output_dtype) == ((10,), "float32")
    assert spec.parameters == sum(p.numel() for p in network.parameters())
    assert sorted(p.name for p in folder.iterdir()) == ["input_example.npy", "model.json", "model.pt2"]
    assert np.array_equal(np.load(folder / "input_example.npy", allow_pickle=False), ROWS)


def test_the_archive_holds_no_pickle_but_a_restricted_one_of_zeros(exported: tuple[nn.Module, Path]) -> None:
    with zipfile.ZipFile(exported[1] / "model.pt2") as archive:
        pickled = [name for name in archive.namelist() if archive.read(name)[:2] in (b"PK", b"\x80\x02", b"\x80\x04")]
        assert [name.rpartition("/data/")[2] for name in pickled] == ["sample_inputs/model.pt"]
        (inputs,), keywords = torch.load(io.BytesIO(archive.read(pickled[0])), weights_only=True)
    assert not inputs.any()
    assert keywords == {}


class _Harmful:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = str(trace)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (self._trace,))


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("record", ["sample_inputs/model.pt", "weights/weight_0", "version", "models/model.json"])
def test_a_planted_pickle_is_refused(
    exported: tuple[nn.Module, Path], tmp_path: Path, record: str, protocol: int
) -> None:
    planted = pickle.dumps(_Harmful(tmp_path / "executed"), protocol=protocol)
    changes = {record: planted}
    if record == "weights/weight_0":
        with zipfile.ZipFile(exported[1] / "model.pt2") as archive:
            name = next(name for name in archive.namelist() if name.endswith("model_weights_config.json"))
            changes["model_weights_config.json"] = archive.read(name).replace(
                b'"use_pickle": false', b'"use_pickle": true', 1
            )
    folder = _rewritten(exported[1], tmp_path / "planted", changes)
    with pytest.raises(InputError, match="numbers and JSON"):
        load_exported(folder)
    assert not (tmp_path / "executed").exists()
    assert load_exported(_rewritten(exported[1], tmp_path / "sound", {}))


def test_an_archive_other_than_the_described_one_is_refused(exported: tuple[nn.Module, Path], tmp_path: Path) -> None:
    folder = _rewritten(exported[1], tmp_path / "copy", {})
    content = bytearray((folder / "model.pt2").read_bytes())
    content[100] ^= 1
    (folder / "model.pt2").write_bytes(content)
    with pytest.raises(InputError, match="description names"):
        load_exported(folder)
    (folder / "model.json").unlink()
    with pytest.raises(InputError, match="save_exported"):
        read_spec(folder)


def test_a_private_network_or_example_is_refused(tmp_path: Path) -> None:
    network = nn.Linear(2, 2)
    rows = np.zeros((2, 2), np.float32)
    with pytest.raises(PrivacyViolation):
        save_exported(Private(network), PUBLIC(rows), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(PrivacyViolation):
        save_exported(PUBLIC(network), Private(rows), tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_batch_of_one_is_no_example(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two records"):
        save_exported(PUBLIC(nn.Linear(2, 2)), PUBLIC(np.zeros((1, 2), np.float32)), tmp_path)


class _FixedBatch(nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.reshape(3, -1)


class _ReadsValues(nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows if rows.sum() > 0 else -rows


@pytest.mark.parametrize("network", [_FixedBatch(), _ReadsValues()])
def test_a_network_that_cannot_be_exported_for_any_batch_is_refused(tmp_path: Path, network: nn.Module) -> None:
    with pytest.raises(InputError, match=r"torch\.export takes"):
        save_exported(PUBLIC(network), PUBLIC(ROWS), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    labels = np.arange(60) % 3
    rows = (np.random.default_rng(1).normal(size=(60, 1, 2, 2)) + labels[:, None, None, None]).astype(np.float32)
    fitted = fit_trees(TreesSpec(rounds=4), rows, labels, 3, seed=0)
    folder = tmp_path_factory.mktemp("trees")
    save_exported(PUBLIC(fitted), PUBLIC(rows[:3]), folder)
    return fitted, folder


def test_loaded_trees_compute_the_same_from_a_file_of_text(trees: tuple[nn.Module, Path]) -> None:
    fitted, folder = trees
    assert sorted(p.name for p in folder.iterdir()) == ["input_example.npy", "model.json", "trees.json"]
    batch = torch.randn(17, 1, 2, 2)
    assert torch.equal(load_exported(folder)(batch), fitted(batch))
    spec = read_spec(folder)
    assert (spec.format, spec.input_shape, spec.output_shape) == ("xgboost-json", (4,), (3,))
    assert np.load(folder / "input_example.npy", allow_pickle=False).shape == (3, 4)
    model = json.loads((folder / "trees.json").read_text("ascii"))["learner"]["gradient_booster"]["model"]
    assert spec.parameters == sum(int(tree["tree_param"]["num_nodes"]) for tree in model["trees"])


def _forged(folder: Path, target: Path, content: bytes, **changes: object) -> Path:
    """Another file under the trees' name, with a description that matches it."""
    target.mkdir()
    spec = json.loads((folder / "model.json").read_text()) | {"digest": hashlib.sha256(content).hexdigest()} | changes
    (target / "trees.json").write_bytes(content)
    (target / "model.json").write_text(json.dumps(spec))
    return target


def test_other_files_than_checked_trees_are_refused(trees: tuple[nn.Module, Path], tmp_path: Path) -> None:
    _, folder = trees
    sound = (folder / "trees.json").read_bytes()
    with pytest.raises(InputError, match="JSON"):
        load_exported(_forged(folder, tmp_path / "pickle", pickle.dumps(_Harmful(tmp_path / "executed"))))
    assert not (tmp_path / "executed").exists()
    with pytest.raises(InputError, match="boosted trees for"):
        load_exported(_forged(folder, tmp_path / "shape", sound, input_shape=[5]))
    with pytest.raises(InputError, match="a format out of"):
        load_exported(_forged(folder, tmp_path / "format", sound, format="pickle"))
    (altered := _forged(folder, tmp_path / "altered", sound)).joinpath("trees.json").write_bytes(sound + b" ")
    with pytest.raises(InputError, match="description names"):
        load_exported(altered)
    load_exported(_forged(folder, tmp_path / "sound", sound))


def test_an_export_leaves_no_file_of_an_earlier_one(trees: tuple[nn.Module, Path], tmp_path: Path) -> None:
    save_exported(PUBLIC(nn.Sequential(nn.Flatten(), nn.Linear(4, 3))), PUBLIC(np.zeros((2, 4), np.float32)), tmp_path)
    save_exported(PUBLIC(trees[0]), PUBLIC(np.zeros((2, 4), np.float32)), tmp_path)
    assert not (tmp_path / "model.pt2").exists()
