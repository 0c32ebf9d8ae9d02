"""``import pate``: its names, what they load, and the whole pipeline from Python."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
import traceback
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

import pate
from pate.errors import InputError, InternalError, PateError, RecordsRefused

ROOT = Path(__file__).parents[1]
NAMES = {
    "GNMax", "LNMax", "ConfidentGNMax", "ExactNoise", "release", "VoteMatrix", "PrivacyLedger", "Account", "epsilon",
    "plan", "calibrate", "compare", "audit", "PrivacyReport", "Campaign", "run", "errors",
    "load_student",
}  # fmt: skip
HEAVY = ("numpy", "scipy", "opendp", "torch", "ray", "mlflow", "pandas", "sklearn", "pydantic", "pipelines")
EXAMPLE = """
import numpy as np, pate, tempfile
from pathlib import Path
votes = pate.VoteMatrix.collect(np.array([[0, 1, 2]] * 390 + [[1, 1, np.nan]] * 10), classes=3)
with pate.PrivacyLedger(Path(tempfile.mkdtemp()) / "ledger") as ledger:
    ledger.register(pate.Account(name="ward-7", epsilon=2.0, delta=1e-5, unit="patient", accountant="gaussian"))
    answers = pate.release(ledger, account="ward-7", task="diagnosis", mechanism=pate.GNMax(sigma=20.0),
                           votes=votes.histogram(), query_keys=[b"image-1", b"image-2", b"image-3"],
                           noise=pate.ExactNoise(), moved_votes=1).value
print(answers.labels_Q, pate.epsilon(pate.GNMax(sigma=20.0), 1e-5, queries=3).epsilon <= answers.total.epsilon)
"""


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded_by(code: str) -> set[str]:
    """Which heavy packages are loaded after some code."""
    return set(
        json.loads(python(f"{code}\nimport json, sys; print(json.dumps(sorted(set({HEAVY}) & set(sys.modules))))"))
    )


def test_the_names_exist_and_are_listed() -> None:
    assert set(pate.__all__) == NAMES
    assert set(dir(pate)) == {*NAMES, "__version__"}
    for name in NAMES:
        assert getattr(pate, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pate.nothing


def test_a_type_checker_and_the_program_find_each_name_in_the_same_module() -> None:
    tree = ast.parse(Path(pate.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert {name: module for name, module in typed.items() if name in pate._MODULE_OF} == pate._MODULE_OF
    assert {*pate._MODULE_OF, "errors", "run"} == NAMES


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import pate", set()),
        ("import pate; pate.errors, dir(pate), pate.run", set()),
        ("import pate.errors", set()),
        ("import pate; pate.VoteMatrix", {"numpy"}),
        ("import pate.ledger", {"numpy", "scipy"}),
        ("import pate; pate.PrivacyLedger, pate.Account", {"numpy", "scipy"}),
        ("import pate; pate.GNMax, pate.release, pate.ExactNoise, pate.epsilon", {"numpy", "scipy", "opendp"}),
        ("import pate; pate.plan, pate.calibrate, pate.compare, pate.audit", {"numpy", "scipy", "opendp"}),
    ],
)
def test_names_load_what_they_need_and_no_more(code: str, allowed: set[str]) -> None:
    assert loaded_by(code) <= allowed


@pytest.mark.parametrize(
    "code",
    [
        "import pate; pate.audit; import pate.auditing, pate.auditing.black_box",
        "import pate.auditing, pate.auditing.black_box; import pate; pate.audit",
        "from pate.auditing import audit; import pate",
        "from pate import *",
    ],
)
def test_audit_is_the_function_whatever_is_imported_first(code: str) -> None:
    assert python(f"{code}\nimport pate; print(pate.audit.__module__, pate.audit.__name__)") == "pate.shortcuts audit"


def test_the_module_of_the_door_is_found_under_its_own_name() -> None:
    import pate.aggregation.release as door

    assert inspect.ismodule(door)
    assert door.release is pate.release


def test_no_name_is_that_of_a_submodule_but_errors() -> None:
    folder = Path(pate.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    assert modules & NAMES == {"errors"}


def test_the_ten_line_example_runs() -> None:
    assert len(EXAMPLE.strip().splitlines()) <= 10
    assert python(EXAMPLE) == "[0 1 2] True"


def test_epsilon_of_a_mechanism_is_that_of_its_event() -> None:
    mechanism = pate.GNMax(sigma=40.0)
    event = mechanism.worst_case_event(queries=286, moved_votes=2)
    by_mechanism = pate.epsilon(mechanism, 1e-5, queries=286, moved_votes=2)
    assert by_mechanism == pate.epsilon(event, 1e-5)
    assert by_mechanism.accountant == "worst_case"
    with pytest.raises(InputError, match="queries"):
        pate.epsilon(mechanism, 1e-5)
    with pytest.raises(InputError, match="queries"):
        pate.epsilon(event, 1e-5, queries=3)


@pytest.mark.parametrize(
    "mechanism",
    [
        pate.GNMax(sigma=1.0),
        pate.LNMax(scale=1.0),
        pate.ConfidentGNMax(threshold=60.0, sigma_threshold=3.0, sigma=1.0, max_answered=40),
    ],
    ids=lambda mechanism: type(mechanism).__name__,
)
def test_a_calibrated_mechanism_uses_the_budget_and_keeps_the_rest(mechanism) -> None:
    found = pate.calibrate(mechanism, queries=50, epsilon=1.0, delta=1e-5, accountant="gaussian")
    assert 0.99 < pate.epsilon(found, 1e-5, queries=50, accountant="gaussian").epsilon <= 1.0
    if isinstance(found, pate.ConfidentGNMax):
        assert (found.threshold, found.max_answered) == (60.0, 40)
        assert found.sigma_threshold / found.sigma == pytest.approx(3.0, rel=1e-3)


@pytest.mark.parametrize("confident", [False, True])
def test_a_plan_is_a_mechanism_within_the_budget(confident: bool) -> None:
    arguments = {"teachers": 250, "classes": 10, "labels": 100, "confident": confident, "accountant": "gaussian"}
    plan = pate.plan(**arguments, epsilon=1.0, agreement={0.95: 0.7, 0.6: 0.3})
    assert plan.epsilon == pate.epsilon(plan.mechanism, plan.delta, queries=plan.queries, accountant="gaussian").epsilon
    assert plan.epsilon <= 1.0
    assert plan.expected_answers >= 99
    with pytest.raises(InputError, match="exactly one"):
        pate.plan(**arguments)
    with pytest.raises(InputError, match="pool"):
        pate.plan(**arguments, epsilon=1.0, pool=50)


def test_costs_of_these_votes_are_private_and_fall_with_what_is_known() -> None:
    votes = pate.VoteMatrix.collect(np.array([[0, 1, 1, 2]] * 38 + [[1, 1, -1, 0]] * 2), classes=3)
    compared = pate.compare(votes, pate.GNMax(sigma=8.0), delta=1e-5)
    assert "private" in repr(compared)
    rows = compared.reveal()
    epsilons = [rows[name].bound.epsilon for name in ("exact_per_teacher", "exact", "worst_case", "gaussian")]
    assert epsilons == sorted(epsilons)


def test_an_audit_finds_nothing_broken() -> None:
    findings = pate.audit(
        pate.ConfidentGNMax(threshold=40.0, sigma_threshold=2.0, sigma=2.0, max_answered=9), samples=64
    )
    assert [finding.pair for finding in findings] == ["argmax", "threshold"]
    assert not any(finding.broken for finding in findings)


def test_run_has_the_signature_of_the_pipeline() -> None:
    from pipelines.api import run

    def shape(function: object) -> list[tuple[str, object, object]]:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
        return [(one.name, one.kind, one.default) for one in parameters]

    assert shape(pate.run) == shape(run)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pate.run_result.RunResult]:
    home = tmp_path_factory.mktemp("front") / "home"
    return home, pate.run("smoke", home=home, quiet=True)


@pytest.mark.xdist_group("ray")
def test_the_whole_pipeline_from_python(smoke) -> None:
    home, result = smoke
    assert result.run_id == "smoke-3e35dfda"
    assert 0 < result.epsilon <= 10
    assert (result.delta, result.accountant, result.unit, result.secure_noise) == (1e-5, "gaussian", "patient", True)
    assert len(result.inputs_Q) == len(result.labels_Q) == 40
    assert set(result.labels_Q.tolist()) <= set(range(10))
    assert result.metrics["accuracy"] == result.accuracy > 0.2
    assert result.report_path == home / "runs" / result.run_id / "public" / "report.html"
    assert result.report_path.is_file()
    assert result.report()["run_id"] == result.run_id


@pytest.mark.xdist_group("ray")
def test_the_student_gives_scores_by_class(smoke) -> None:
    import torch

    student = smoke[1].student()
    assert tuple(student(torch.zeros(3, 1, 8, 8)).shape) == (3, 10)


@pytest.mark.xdist_group("ray")
def test_a_result_is_frozen_and_prints_released_values_alone(smoke) -> None:
    home, result = smoke
    with pytest.raises(FrozenInstanceError):
        result.epsilon = 0.0
    text = repr(result)
    assert result.run_id in text
    assert f"epsilon={result.epsilon}" in text
    assert "private" not in text.replace(str(home), "")
    assert "labels_Q" not in text


@pytest.mark.xdist_group("ray")
def test_the_same_experiment_in_every_form_is_one_run_that_costs_once(smoke, monkeypatch) -> None:
    import yaml

    from pipelines.api import configuration
    from pipelines.config.experiment import load

    home, result = smoke
    path = ROOT / "configs" / "smoke.yaml"
    content = yaml.safe_load(path.read_text())
    content["privacy"]["delta"] = 1e-5  # the plain loader reads a text
    monkeypatch.setenv("PATE_HOME", str(home))
    for config in (path, str(path), content, load(path), configuration("smoke")):
        again = pate.run(config, quiet=True)
        assert (again.run_id, again.epsilon) == (result.run_id, result.epsilon)
    with pate.PrivacyLedger(home / "ledger") as ledger:
        (account,) = ledger.accounts()
        assert ledger.spent(account.name).epsilon == result.epsilon


def test_a_wrong_configuration_is_refused_in_one_line() -> None:
    from pipelines.api import configuration

    for wrong, mention in (
        ({"name": "x"}, "missing key"),
        ("nothing", "shipped: adult"),
        ("nowhere.yaml", "nowhere.yaml"),
        (7, "int"),
    ):
        with pytest.raises(InputError, match=mention) as caught:
            configuration(wrong)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


def test_a_seed_replaces_that_of_the_configuration() -> None:
    from pipelines.api import configuration

    config = configuration("smoke")
    assert configuration(config, 3) == configuration("smoke", 3) != config
    for wrong in (-1, True, 2**63, 2**64, 1.5, "3"):
        for form in (config, "smoke"):
            with pytest.raises(InputError, match="seed"):
                configuration(form, wrong)  # type: ignore[arg-type]


CANARY = "CANARY-anna-row-7"


def _raise_chained(*_: object, **__: object) -> None:
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        raise RuntimeError(f"{CANARY} again") from error


def _refuse_records(*_: object, **__: object) -> None:
    try:
        raise KeyError(CANARY)
    except KeyError:
        raise RecordsRefused(f"{CANARY} is in two files") from ValueError(CANARY)


def _interrupted(*_: object, **__: object) -> None:
    try:
        raise KeyError(CANARY)
    except KeyError:
        raise KeyboardInterrupt(CANARY) from None


@pytest.mark.parametrize(
    ("work", "kind", "said"),
    [
        (_raise_chained, InternalError, r"internal error \(RuntimeError\); see `pate incident (\w+)`"),
        (_refuse_records, RecordsRefused, rf"{RecordsRefused.SENTENCE} \(details: `pate incident (\w+)`\)"),
    ],
)
def test_an_error_of_a_run_is_one_public_line_and_its_private_side_an_incident(
    work, kind: type[PateError], said: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("pipelines.api.label_and_train", work)
    with pytest.raises(PateError) as caught:
        pate.run("smoke", home=tmp_path, quiet=True)
    assert type(caught.value) is kind
    assert (caught.value.__cause__, caught.value.__context__, caught.value.private_detail) == (None, None, None)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert {frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.value.__traceback__)} == {
        "run", "_run", inspect.currentframe().f_code.co_name,  # type: ignore[union-attr]
    }  # fmt: skip
    found = re.fullmatch(said, str(caught.value))
    assert found is not None
    assert CANARY in (tmp_path / "private" / "incidents" / found[1]).read_text()


def test_an_error_without_a_private_side_keeps_its_text_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml") as caught:
        pate.run("nowhere.yaml", home=tmp_path / "home")
    assert caught.value.__context__ is None
    assert not (tmp_path / "home").exists()


def test_an_interrupted_run_says_nothing_of_what_it_did(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("pipelines.api.label_and_train", _interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        pate.run("smoke", home=tmp_path)
    assert (str(caught.value), caught.value.__context__) == ("", None)


def test_what_libraries_say_during_a_run_does_not_reach_the_terminal(tmp_path: Path) -> None:
    code = f"""
import logging, os, sys, threading, warnings
import pate, pipelines.api

def fail():
    raise RuntimeError({CANARY!r})

class Dying:
    def __del__(self):
        fail()

def work(*_, **__):
    warnings.simplefilter("always")
    warnings.warn({CANARY!r})
    os.write(1, b"{CANARY}\\n"), os.write(2, b"{CANARY} native\\n")
    print("of the run itself", file=sys.stderr)
    logging.getLogger("some.library").error({CANARY!r})
    Dying()
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    fail()

def state():
    hooks = threading.excepthook, sys.unraisablehook, sys.excepthook, logging.lastResort, logging.raiseExceptions
    return *hooks, warnings.showwarning, list(warnings.filters), os.environ["PYTHONWARNINGS"]

os.environ["PYTHONWARNINGS"] = "default"
before = state()
pipelines.api.label_and_train = work
try:
    pate.run("smoke", home={str(tmp_path)!r})
except pate.errors.InternalError as error:
    assert error.__context__ is None
assert state() == before
os.write(2, b"native, after the run\\n")
warnings.warn("of the notebook itself")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert CANARY not in done.stdout + done.stderr
    lines = re.findall(r"internal error \(RuntimeError\) in a (thread|clean-up); see `pate incident \w+`", done.stderr)
    assert sorted(lines) == ["clean-up", "thread"]
    assert "of the run itself" in done.stderr.splitlines()
    assert "native, after the run" in done.stderr.splitlines()
    assert done.stderr.splitlines()[-1].endswith("of the notebook itself")
    assert f"{CANARY} native" in (tmp_path / "private" / "native.log").read_text()
    incidents = [path.read_text() for path in (tmp_path / "private" / "incidents").iterdir()]
    assert len(incidents) == 3
    assert all(CANARY in text for text in incidents)
