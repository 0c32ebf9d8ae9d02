"""A trained network as a file that needs neither its Python class nor unpickling: ``torch.export``'s pt2 archive.

The folder holds ``model.pt2``, ``input_example.npy`` and, written last, ``model.json`` with shapes and hashes. The
archive stores weights as raw bytes and the graph as JSON. Its one pickled record, the example input, is replaced by
zeros, and ``load_exported`` opens a folder only if that record passes torch's restricted unpickler: the format's own
loader would fall back to the unrestricted one.

torch is imported when a network is saved or loaded, not before: a deliverer needs the description only.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import numpy.typing as npt

from pate.errors import InputError, expected
from pate.values import Released, released_value

if TYPE_CHECKING:
    import torch

MODEL_FILE = "model.pt2"
EXAMPLE_FILE = "input_example.npy"
SPEC_FILE = "model.json"

_WORDS = frozenset({"version", "archive_format", "archive_version", "byteorder", "serialization_id"})
_WORD = re.compile(rb"[A-Za-z0-9._-]{1,64}\n?")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """What can be said about an exported network without loading it.

    Attributes:
        input_shape: of one record.
        input_dtype: numpy's name.
        output_shape: for one record.
        output_dtype: numpy's name.
        parameters: number of trainable numbers.
        torch_version: that wrote the file.
        digest: SHA-256 of the archive, hex.
    """

    input_shape: tuple[int, ...]
    input_dtype: str
    output_shape: tuple[int, ...]
    output_dtype: str
    parameters: int
    torch_version: str
    digest: str


def save_exported(
    network: Released[torch.nn.Module], example: Released[npt.NDArray[np.generic]], folder: Path
) -> ModelSpec:
    """Export a network, in evaluation mode and on the CPU, with a free batch dimension.

    Args:
        network: takes one tensor of N records and returns one tensor of N rows; left as it is.
        example: public records, at least two of them, shape N x record.
        folder: made if it is not there; files of an earlier export are replaced.

    Raises:
        InputError: the example has fewer than two records, or the exported network does not compute what the
            network computes.
    """
    import torch  # noqa: PLC0415

    rows = np.ascontiguousarray(released_value(example))
    if rows.ndim < 2 or len(rows) < 2:
        raise expected("an example of at least two records", "a batch of one fixes the batch size", shape=rows.shape)
    module = copy.deepcopy(released_value(network)).cpu().eval()
    inputs = torch.from_numpy(rows.copy())
    try:
        with torch.no_grad():
            program = torch.export.export(module, (inputs,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
            outputs = module(inputs)
            twice = torch.cat([inputs, inputs])
            same = torch.allclose(program.module()(twice), module(twice), rtol=1e-4, atol=1e-5)
    except Exception as error:
        raise expected(
            "a network that torch.export takes, of one tensor, for any number of records",
            "replace what depends on the values or on the batch size",
            error=type(error).__name__,
        ) from error
    if not same:
        raise expected("an exported network that computes what the network computes", "see torch.export's limits")
    program.example_inputs = ((torch.zeros_like(inputs[:2]),), {})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPEC_FILE).unlink(missing_ok=True)
    archive = io.BytesIO()
    torch.export.save(program, archive)
    _write(folder / MODEL_FILE, lambda stream: stream.write(archive.getbuffer()))
    _write(folder / EXAMPLE_FILE, lambda stream: np.save(stream, rows, allow_pickle=False))
    spec = ModelSpec(
        input_shape=tuple(inputs.shape[1:]),
        input_dtype=str(rows.dtype),
        output_shape=tuple(outputs.shape[1:]),
        output_dtype=str(outputs.numpy().dtype),
        parameters=sum(p.numel() for p in module.parameters()),
        torch_version=str(torch.__version__),
        digest=hashlib.sha256(archive.getbuffer()).hexdigest(),
    )
    _write(folder / SPEC_FILE, lambda stream: stream.write(json.dumps(asdict(spec), indent=1).encode()))
    return spec


def read_spec(folder: Path) -> ModelSpec:
    """The description of the network in a folder, checked against the archive's bytes.

    Raises:
        InputError: there is no finished export, or the archive is not the one described.
    """
    try:
        fields: dict[str, Any] = json.loads((folder / SPEC_FILE).read_text())
        digest = hashlib.sha256((folder / MODEL_FILE).read_bytes()).hexdigest()
    except FileNotFoundError:
        raise expected("a folder written by save_exported", "export the network first", folder=folder.name) from None
    fields |= {key: tuple(fields[key]) for key in ("input_shape", "output_shape")}
    spec = ModelSpec(**fields)
    if spec.digest != digest:
        raise expected("the archive that the description names", "export the network again", digest=digest)
    return spec


def load_exported(folder: Path) -> torch.nn.Module:
    """The network in a folder; nothing in it is unpickled without restriction.

    Raises:
        InputError: as ``read_spec``; or a record of the archive is neither raw numbers, JSON, nor plain tensors.
    """
    import torch  # noqa: PLC0415

    read_spec(folder)
    _refuse_pickle(folder / MODEL_FILE)
    module: torch.nn.Module = torch.export.load(folder / MODEL_FILE).module()
    return module


def _refuse_pickle(path: Path) -> None:
    """Raise unless every record is raw numbers, JSON or a word, but for plain tensors as the example input."""
    import torch  # noqa: PLC0415

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        records = {name: archive.read(name) for name in names}
    if len(records) != len(names):
        raise _not_plain("two records of one name")
    raw: set[str] = set()
    for name, content in records.items():
        if name.endswith(("weights_config.json", "constants_config.json")):
            folder = name.rpartition("/")[0]
            for entry in json.loads(content)["config"].values():
                if entry["use_pickle"] or not entry["path_name"].startswith(("weight_", "tensor_")):
                    raise _not_plain(name)
                raw.add(f"{folder}/{entry['path_name']}")
    for name, content in records.items():
        if name in raw or (name.rpartition("/")[2] in _WORDS and _WORD.fullmatch(content)):
            continue
        try:
            if name.endswith("/data/sample_inputs/model.pt"):
                torch.load(io.BytesIO(content), weights_only=True)
            else:
                json.loads(content)
        except Exception:
            raise _not_plain(name) from None


def _not_plain(name: str) -> InputError:
    return expected("an archive of numbers and JSON", "do not load a model from an unknown source", record=name)


def _write(path: Path, fill: Callable[[Any], object]) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream:
        fill(stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(partial, path)
