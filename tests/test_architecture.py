"""The layout's rules: which way imports point, and who alone may do what."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATE_ORDER = [
    "errors", "defaults", "arrays", "files", "plain_text", "npy_file", "randomness", "public_sets", "values",
    "torchvision_cpu", "votes", "accounting", "data", "models", "features", "teachers", "ledger", "aggregation",
    "student", "scoring", "auditing", "report", "shortcuts", "run_result", "campaign",
]  # fmt: skip
ACCOUNTING_ORDER = ["data_independent", "laws", "data_dependent", "sanitised", "planning"]
PIPELINES_ORDER = [
    "progress", "storage", "tracking", "config", "authoring", "data", "cluster", "teachers", "outcome", "run",
    "results", "operations", "cli",
]  # fmt: skip
MOST_LINES = 300
MOST_MODULES = 16


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


def modules_by_name() -> dict[str, Path]:
    """Every module of both packages, by its dotted name."""
    found = {}
    for path in modules("pate") + modules("pipelines"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def import_graph() -> dict[str, set[str]]:
    """For each module the project's modules that it imports, anywhere in it."""
    known = modules_by_name()
    graph: dict[str, set[str]] = {}
    for name, path in known.items():
        graph[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names} & set(known)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    graph[name] |= {whole if whole in known else str(node.module)} & set(known)
        graph[name].discard(name)
    return graph


def reaches(graph: dict[str, set[str]], start: str) -> set[str]:
    """Everything that importing ``start`` loads."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        for name in graph[ahead.pop()] - found:
            found.add(name)
            ahead.append(name)
    return found


def part(name: str, package: str) -> str | None:
    """The name below ``package``, such as ``x`` of ``pate.x.y``."""
    return name.removeprefix(f"{package}.").split(".")[0] if name.startswith(f"{package}.") else None


@pytest.mark.parametrize(
    ("package", "order"),
    [("pate", PATE_ORDER), ("pate.accounting", ACCOUNTING_ORDER), ("pipelines", PIPELINES_ORDER)],
)
def test_imports_point_one_way(package: str, order: list[str]) -> None:
    for name, imported in import_graph().items():
        own = part(name, package)
        for other in imported if own in order else ():
            theirs = part(other, package)
            if theirs in order:
                assert order.index(theirs) <= order.index(own), f"{name} imports {other}, which stands below it"


@pytest.mark.parametrize(
    ("package", "order"),
    [("pate", PATE_ORDER), ("pate/accounting", ACCOUNTING_ORDER), ("pipelines", PIPELINES_ORDER)],
)
def test_every_folder_has_its_place_in_the_order(package: str, order: list[str]) -> None:
    found = {path.name for path in (ROOT / package).iterdir() if (path / "__init__.py").exists()}
    if package == "pate":
        found |= {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}
    assert found <= set(order)


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = import_graph()
    circles = sorted(name for name in graph if name in reaches(graph, name))
    assert circles == []


def test_pate_imports_neither_ray_nor_mlflow_nor_pipelines() -> None:
    for path in modules("pate"):
        assert not {name.split(".")[0] for name in imports(path)} & {"ray", "mlflow", "pipelines"}, path


def test_only_the_cluster_folder_imports_ray_and_only_the_mlflow_folder_imports_mlflow() -> None:
    for path in modules("pipelines"):
        top = {name.split(".")[0] for name in imports(path)}
        folder = path.relative_to(ROOT / "pipelines").parent.as_posix()
        assert "ray" not in top or folder == "cluster", f"{path} imports ray"
        assert "mlflow" not in top or folder == "tracking/mlflow", f"{path} imports mlflow"


def test_only_the_run_folder_composes_stages() -> None:
    for name, imported in import_graph().items():
        if "pipelines.run.stages" in imported:
            assert name.startswith("pipelines.run."), f"{name} composes stages"


SHARED_ACCOUNTING = {f"pate.accounting.{name}" for name in ("events", "curve", "privacy_curve", "rounding")}
"""Modules of the accounting that know neither votes nor laws of outcomes."""
ENFORCING = ("pate.accounting.data_independent.", "pate.ledger.budgets", "pate.ledger.accounts")


def test_each_stage_is_a_file_with_a_function_of_its_name() -> None:
    """A stage is named where it is run, by ``run.stage(NAME, ...)`` or ``run_stage(folder, NAME, ...)``."""
    stages: dict[str, str] = {}
    for path in modules("pipelines/run"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"run.stage", "run_stage"}:
                names = [each.value for each in node.args if isinstance(each, ast.Constant)]
                stages.update(dict.fromkeys(names, path.stem))
    assert stages == {name: name for name in stages}
    assert set(stages) == {
        "partition", "features", "queries", "teachers", "votes", "labels", "student", "evaluation", "benchmark",
        "report",
    }  # fmt: skip
    for name in stages:
        tree = ast.parse((ROOT / "pipelines" / "run" / f"{name}.py").read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_budgets_rest_on_the_data_independent_folder_alone() -> None:
    graph = import_graph()
    starts = [name for name in graph if name.startswith(ENFORCING)]
    assert {"pate.ledger.budgets", "pate.ledger.accounts"} < set(starts)
    loaded = set(starts).union(*(reaches(graph, name) for name in starts))
    below = {name for name in loaded if name.startswith("pate.accounting.")}
    assert below - SHARED_ACCOUNTING == {name for name in below if name.startswith("pate.accounting.data_independent")}


VOTE_DEPENDENT = ("pate.accounting.data_dependent", "pate.accounting.planning.comparison")
"""Costs that are functions of private votes."""
SHOWN_TO_OPERATORS = {"pipelines.cli.cost", "pipelines.results.sweep"}
"""Modules that may ask for them: a table on the operator's terminal, and figures of public benchmarks."""
EXITS = (
    "pate.report", "pate.ledger", "pate.student", "pate.aggregation", "pate.run_result", "pipelines.tracking",
    "pipelines.outcome", "pipelines.run", "pipelines.storage", "pipelines.operations", "pipelines.teachers",
    "pipelines.cluster", "pipelines.config", "pipelines.authoring", "pipelines.data", "pipelines.api",
)  # fmt: skip


def test_what_depends_on_votes_reaches_no_exit() -> None:
    """No module of an exit loads a vote-dependent cost, directly or by way of others."""
    graph = import_graph()
    for prefix in EXITS:
        inside = [name for name in graph if f"{name}.".startswith(f"{prefix}.")]
        assert inside, prefix
        for name in inside:
            private = {n for n in reaches(graph, name) if n.startswith(VOTE_DEPENDENT)}
            assert not private, f"{name} reaches {private}"


def test_only_comparisons_for_operators_ask_for_what_depends_on_votes() -> None:
    callers = {
        name
        for name, imported in import_graph().items()
        if name.startswith("pipelines.") and any(other.startswith(VOTE_DEPENDENT) for other in imported)
    }
    assert callers == SHOWN_TO_OPERATORS


def test_no_module_is_long_and_no_folder_is_full() -> None:
    paths = modules("pate") + modules("pipelines")
    long = [str(path) for path in paths if len(path.read_text().splitlines()) > MOST_LINES]
    assert not long
    folders = {path.parent for path in paths}
    full = [str(f) for f in folders if len([p for p in f.glob("*.py") if p.name != "__init__.py"]) > MOST_MODULES]
    assert not full


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


def defaults_of(node: ast.AST, name: str) -> Iterator[ast.expr]:
    """Defaults of a function's arguments or a class's fields of that name."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        given = node.args
        positional = [*given.posonlyargs, *given.args]
        pairs = [*zip(positional[::-1], given.defaults[::-1], strict=False)]
        pairs += [(arg, default) for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default]
        yield from (default for arg, default in pairs if arg.arg == name)
    if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name and node.value is not None:
        value = node.value
        yield value.args[0] if isinstance(value, ast.Call) and value.args else value


def test_the_default_accountant_is_one_constant_in_functions_commands_and_configurations() -> None:
    found = [
        (path, ast.unparse(default))
        for path in modules("pate") + modules("pipelines")
        for node in ast.walk(ast.parse(path.read_text()))
        for default in defaults_of(node, "accountant")
    ]
    assert {default for _, default in found} == {"DEFAULT_ACCOUNTANT"}, found
    folders = {path.relative_to(ROOT).parent.as_posix() for path, _ in found}
    assert {"pate/accounting/data_independent", "pate/auditing", "pipelines/cli", "pipelines/config"} <= folders


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
