"""A trained student as a file that needs neither its Python class nor unpickling.

A network is ``torch.export``'s pt2 archive, boosted trees are xgboost's JSON. The folder holds ``model.pt2`` or
``trees.json``, ``input_example.npy``, ``preprocessing.json`` where raw inputs are known and, written last,
``model.json`` with shapes and hashes. The pt2 archive stores weights as raw bytes and the graph as JSON. Its one
pickled record, the example input, is replaced by zeros, and ``load_exported`` opens a folder only if that record passes
torch's restricted unpickler: the format's own loader would fall back to the unrestricted one. Trees are checked number
by number.

torch and xgboost are imported when a student is saved or loaded, not before: delivery needs the description only.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import re
import sys
import zipfile
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import numpy.typing as npt

from pate.errors import InputError, expected
from pate.files import bytes_hash, file_hash, write_atomically
from pate.values import Released, released_value

if TYPE_CHECKING:
    import torch

    from pate.models.boosted_trees import Trees

MODEL_FILES = {"pt2": "model.pt2", "xgboost-json": "trees.json"}
"""Format -> name of the file."""
EXAMPLE_FILE = "input_example.npy"
SPEC_FILE = "model.json"
PREPROCESSING_FILE = "preprocessing.json"
"""From raw records to inputs, as ``pate.scoring`` reads it."""

_WORDS = frozenset({"version", "archive_format", "archive_version", "byteorder", "serialization_id"})
_WORD = re.compile(rb"[A-Za-z0-9._-]{1,64}\n?")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedSpec:
    """Description of an exported student that needs no loading.

    Attributes:
        format: ``pt2`` or ``xgboost-json``.
        input_shape: of one record; for trees its numbers in one row.
        input_dtype: numpy's name.
        output_shape: for one record.
        output_dtype: numpy's name.
        parameters: number of trainable numbers; of trees, splits and leaves.
        library_version: of torch or xgboost, which wrote the file.
        digest: SHA-256 of the file, hex.
        preprocessing_digest: likewise of ``preprocessing.json``; ``None`` where there is none.
    """

    input_shape: tuple[int, ...]
    input_dtype: str
    output_shape: tuple[int, ...]
    output_dtype: str
    parameters: int
    library_version: str
    digest: str
    format: str = "pt2"
    preprocessing_digest: str | None = None

    @property
    def file(self) -> str:
        """Name of the file that holds the student."""
        if self.format not in MODEL_FILES:
            raise expected(f"a format out of {sorted(MODEL_FILES)}", "export the student again", format=self.format)
        return MODEL_FILES[self.format]


def save_exported(
    network: Released[torch.nn.Module],
    example: Released[npt.NDArray[np.generic]],
    folder: Path,
    preprocessing: Released[str] | None = None,
) -> ExportedSpec:
    """Export a student, in evaluation mode and on the CPU, for any number of records.

    Args:
        network: takes one tensor of N records and returns one tensor of N rows of scores; left as it is.
        example: public records, at least two of them, shape N x record.
        folder: made if it is not there; files of an earlier export are replaced.
        preprocessing: from raw records to inputs, as JSON (``pate.scoring.preprocessing``).

    Raises:
        InputError: the example has fewer than two records, or what was exported does not compute what the network
            computes.
    """
    from pate.models.boosted_trees import Trees  # noqa: PLC0415 - imports torch

    student, rows = released_value(network), np.ascontiguousarray(released_value(example))
    if rows.ndim < 2 or len(rows) < 2:
        raise expected("an example of at least two records", "a batch of one fixes the batch size", shape=rows.shape)
    if isinstance(student, Trees):
        rows = rows.reshape(len(rows), -1)
        content, spec = _exported_trees(student, rows)
    else:
        content, spec = _exported_network(student, rows)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (SPEC_FILE, PREPROCESSING_FILE, *MODEL_FILES.values()):
        (folder / name).unlink(missing_ok=True)
    if preprocessing is not None:
        text = released_value(preprocessing).encode()
        write_atomically(folder / PREPROCESSING_FILE, text)
        spec = replace(spec, preprocessing_digest=bytes_hash(text))
    numbers = io.BytesIO()
    np.save(numbers, rows, allow_pickle=False)
    write_atomically(folder / spec.file, content)
    write_atomically(folder / EXAMPLE_FILE, numbers.getvalue())
    described = {name: value for name, value in asdict(spec).items() if value is not None}
    write_atomically(folder / SPEC_FILE, json.dumps(described, indent=1))
    return spec


def _exported_network(network: torch.nn.Module, rows: npt.NDArray[np.generic]) -> tuple[bytes, ExportedSpec]:
    """The pt2 archive, with a free batch dimension."""
    import torch  # noqa: PLC0415

    module = copy.deepcopy(network).cpu().eval()
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
    archive = io.BytesIO()
    torch.export.save(program, archive)
    content = archive.getvalue()
    return content, ExportedSpec(
        format="pt2",
        input_shape=tuple(inputs.shape[1:]),
        input_dtype=str(rows.dtype),
        output_shape=tuple(outputs.shape[1:]),
        output_dtype=str(outputs.numpy().dtype),
        parameters=sum(p.numel() for p in module.parameters()),
        library_version=str(torch.__version__),
        digest=hashlib.sha256(content).hexdigest(),
    )


def _exported_trees(trees: Trees, rows: npt.NDArray[np.generic]) -> tuple[bytes, ExportedSpec]:
    """The library's JSON, as it was fitted."""
    return trees.content, ExportedSpec(
        format="xgboost-json",
        input_shape=(trees.features,),
        input_dtype=str(rows.dtype),
        output_shape=(trees.classes,),
        output_dtype="float32",
        parameters=trees.nodes,
        library_version=version("xgboost-cpu" if sys.platform != "darwin" else "xgboost"),
        digest=hashlib.sha256(trees.content).hexdigest(),
    )


def read_spec(folder: Path, model_file: Path | None = None) -> ExportedSpec:
    """The description of the student in a folder, checked against the bytes of its files.

    Args:
        folder: of the export.
        model_file: the student's own file, where it lies elsewhere.

    Raises:
        InputError: there is no finished export, or a file is not the one described.
    """
    try:
        fields: dict[str, Any] = json.loads((folder / SPEC_FILE).read_text())
        fields |= {key: tuple(fields[key]) for key in ("input_shape", "output_shape")}
        spec = ExportedSpec(**fields)
        digest = file_hash(model_file or folder / spec.file)
        preprocessing = spec.preprocessing_digest and file_hash(folder / PREPROCESSING_FILE)
    except FileNotFoundError:
        raise expected("a folder written by save_exported", "export the student first", folder=folder.name) from None
    if spec.digest != digest:
        raise expected("the archive that the description names", "export the student again", digest=digest)
    if spec.preprocessing_digest != preprocessing:
        raise expected("the preprocessing that the description names", "restore the file", digest=preprocessing)
    return spec


def load_exported(folder: Path, model_file: Path | None = None) -> torch.nn.Module:
    """The student in a folder, from inputs to scores; nothing in it is unpickled without restriction.

    Args:
        folder: of the export.
        model_file: the student's own file, where it lies elsewhere.

    Raises:
        InputError: as ``read_spec``; or a record of the archive is neither raw numbers, nor JSON, nor plain tensors; or
            the JSON is not that of trees.
    """
    import torch  # noqa: PLC0415

    spec = read_spec(folder, model_file)
    file = model_file or folder / spec.file
    if spec.format == "xgboost-json":
        from pate.models.boosted_trees import Trees  # noqa: PLC0415

        return Trees(file.read_bytes(), spec.input_shape[0], spec.output_shape[0]).eval()
    _refuse_pickle(file)
    module: torch.nn.Module = torch.export.load(file).module()
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
