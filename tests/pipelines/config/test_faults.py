"""All faults of a configuration are shown at once, with what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from pate.errors import ConfigurationFaults, InputError
from pipelines.cli.app import run
from pipelines.config.experiment import load

SMOKE = (Path(__file__).parents[3] / "configs" / "smoke.yaml").read_text()
MANY = """
name: many
data: {source: digits, data_id: many, pol: 3}
max_asked: 3
partition: {teachers: 2.5, bye: site}
privacy: {epsilon: 5, delta: 1.0e-5, acountant: gaussian}
teachers: {model: {kind: logstic}, training: {stepz: 5}}
labelling: {max_asked: 10, mechanism: {kind: gnmx, sigma: 2}}
student: {learner: supervized, spec: {}}
"""


def test_every_fault_is_a_line_with_what_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(MANY)
    with pytest.raises(ConfigurationFaults) as error:
        load(path)
    title, *lines = str(error.value).splitlines()
    assert title == f"{path} has {len(lines)} faults:"
    for start, end in [
        ("unknown key data.pol=3", "did you mean pool?"),
        ("unknown key max_asked=3", "did you mean labelling.max_asked?"),
        ("partition.teachers=2.5", "correct the value"),
        ("unknown key partition.bye='site'", "did you mean by?"),
        ("unknown key privacy.acountant='gaussian'", "did you mean accountant?"),
        ("teachers.model.kind='logstic'", "did you mean 'logistic'?"),
        ("unknown key teachers.training.stepz=5", "did you mean steps?"),
        ("labelling.mechanism", "did you mean 'gnmax'?"),
        ("student", "did you mean 'supervised'?"),
    ]:
        (line,) = [line for line in lines if line.startswith(f"  {start}")]
        assert line.endswith(end)
    assert len(lines) == 9


def test_the_command_prints_all_of_them_and_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    path = tmp_path / "c.yaml"
    path.write_text(MANY)
    assert run(["validate", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"pate: error: {path} has 9 faults:\n  ")
    assert said.err.count("\n") == 10


def test_one_fault_stays_one_line_and_nothing_is_guessed_from_afar(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SMOKE + "zzzzzz: 1\n")
    with pytest.raises(InputError) as error:
        load(path)
    assert str(error.value) == f"{path}: unknown key zzzzzz=1; remove it or correct its spelling"


def test_a_value_that_may_have_several_types_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SMOKE.replace("kind: logistic", "kind: logistic, input_mean: many", 1))
    with pytest.raises(InputError) as error:
        load(path)
    assert "\n" not in str(error.value)
    assert " or: " in str(error.value)


def test_the_keys_that_a_section_lacks_are_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SMOKE + "features: {kind: simclr}\n")
    with pytest.raises(InputError) as error:
        load(path)
    keys = "features.model, features.train, features.augmentation"
    assert str(error.value) == f"{path}: missing key {keys}; add them, see `pate schema` for the meaning"


def test_a_misspelled_key_is_not_missing_too(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SMOKE.replace("max_asked", "max_aksed", 1))
    with pytest.raises(InputError) as error:
        load(path)
    text = str(error.value)
    assert text.startswith(f"{path}: unknown key labelling.max_aksed=")
    assert text.endswith("did you mean max_asked?")


def test_a_text_of_the_file_cannot_begin_a_line(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SMOKE + '"a\\npate: error: b": 1\n"c": 2\n')
    with pytest.raises(ConfigurationFaults) as error:
        load(path)
    assert len(str(error.value).splitlines()) == 3


def test_very_many_faults_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SMOKE + "".join(f"zzz{number}: 1\n" for number in range(50)))
    with pytest.raises(ConfigurationFaults) as error:
        load(path)
    lines = str(error.value).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  and 30 more"
