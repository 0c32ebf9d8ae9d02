"""The layout's rules: which way imports point, and who alone may do what."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = [
    "errors", "plain_text", "npy_file", "randomness", "public_sets", "values", "torchvision_cpu", "accounting", "data",
    "models", "features", "votes", "teachers", "ledger", "aggregation", "student", "audit", "report",
]  # fmt: skip


def modules(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(name: str) -> str | None:
    """The second component of ``pate.x.y``."""
    pieces = name.split(".")
    return pieces[1] if pieces[0] == "pate" and len(pieces) > 1 else None


@pytest.mark.parametrize("path", modules("pate"), ids=lambda p: str(p.relative_to(ROOT)))
def test_pate_imports_only_what_stands_above(path: Path) -> None:
    own = path.relative_to(ROOT / "pate").parts[0].removesuffix(".py")
    for name in imports(path):
        assert name.split(".")[0] not in {"ray", "mlflow", "pipelines"}, f"{path} imports {name}"
        other = part(name)
        if other in ORDER and own in ORDER:
            assert ORDER.index(other) <= ORDER.index(own), f"{path} imports {name}, which stands below it"


def test_every_part_of_pate_has_its_place_in_the_order() -> None:
    found = {path.relative_to(ROOT / "pate").parts[0].removesuffix(".py") for path in modules("pate")}
    assert found - {"__init__"} <= set(ORDER)


def test_only_the_ray_modules_import_ray_and_only_the_mlflow_modules_import_mlflow() -> None:
    for path in modules("pipelines"):
        top = {name.split(".")[0] for name in imports(path)}
        name = str(path.relative_to(ROOT))
        assert "ray" not in top or Path(name).name.startswith("ray_"), f"{name} imports ray"
        assert "mlflow" not in top or Path(name).name.startswith("mlflow_"), f"{name} imports mlflow"


@pytest.mark.parametrize("package", ["pate.accounting", "pate.ledger", "pate.aggregation", "pate.votes", "pate.values"])
def test_the_release_path_loads_neither_torch_nor_ray_nor_mlflow(package: str) -> None:
    script = f"import sys, {package}; print(sorted({{'torch', 'ray', 'mlflow'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_numpy_or_torch_generator_in_the_release_path() -> None:
    for path in modules("pate/aggregation") + modules("pate/ledger"):
        for node in ast.walk(ast.parse(path.read_text())):
            used = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""
            assert used not in {"np.random", "numpy.random", "default_rng", "torch", "generator"}, f"{path}: {used}"
        assert not {"torch", "numpy.random", "pate.randomness.generator"} & set(imports(path)), path


def test_only_the_door_makes_mechanism_answers_public() -> None:
    callers = {
        str(path.relative_to(ROOT))
        for path in modules("pate") + modules("pipelines")
        if ".through_the_door(" in path.read_text()
    }
    assert callers == {"pate/aggregation/release.py"}


def test_no_formula_and_no_noise_in_pipelines() -> None:
    for path in modules("pipelines"):
        names = set(imports(path))
        assert not any(name.startswith(("scipy", "opendp")) for name in names), path


def test_library_code_neither_asserts_nor_catches_everything_in_silence() -> None:
    for path in modules("pate") + modules("pipelines"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.Assert), f"{path}:{node.lineno} asserts"
            assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{path}:{node.lineno} bare except"


def test_public_names_exist() -> None:
    import importlib

    for package in ("accounting", "aggregation", "data", "ledger", "models", "student", "teachers"):
        module = importlib.import_module(f"pate.{package}")
        for name in module.__all__:
            assert hasattr(module, name), f"pate.{package}.{name}"
