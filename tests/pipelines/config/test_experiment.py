"""A configuration is refused with the file, the key, the value and what was expected, or it is right."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pate.errors import InputError
from pipelines.config.experiment import json_schema, load

CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))
BASE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[3] / "configs" / "smoke.yaml").read_text())


def write(folder: Path, **changes: object) -> Path:
    """The smoke configuration with dotted keys changed; ``None`` removes a key."""
    content = copy.deepcopy(BASE)
    for dotted, value in changes.items():
        *path, last = dotted.split("__")
        place = content
        for key in path:
            place = place[key]
        if value is None:
            del place[last]
        else:
            place[last] = value
    file = folder / "c.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_shipped_configuration_is_within_its_declared_budget(path: Path) -> None:
    config = load(path)
    bound = config.campaign_epsilon()
    assert bound.kind == "data-independent"
    assert 0 < bound.epsilon <= config.privacy.epsilon
    assert path.read_text().startswith(f"# pate run configs/{path.name}\n")
    assert config.name == path.stem.replace(".", "_")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"nonsense": 1}, ["unknown key nonsense=1"]),
        ({"labelling__mechanism__sgima": 3}, ["unknown key labelling.mechanism.sgima=3"]),
        ({"labelling__mechanism__sigma": -1}, ["labelling.mechanism.sigma=-1", "greater than or equal to 0.001"]),
        ({"labelling__mechanism__sigma": 0}, ["labelling.mechanism.sigma=0", "greater than or equal to 0.001"]),
        ({"labelling__mechanism__sigma": "40 votes"}, ["labelling.mechanism.sigma='40 votes'", "number"]),
        ({"labelling__mechanism__kind": "gnmx"}, ["labelling.mechanism", "'gnmx'", "'gnmax'"]),
        ({"privacy__epsilon": float("nan")}, ["privacy.epsilon=nan", "finite"]),
        ({"privacy__epsilon": 0.5}, ["privacy.epsilon=0.5", "gaussian", "more noise"]),
        ({"privacy__delta": 1}, ["privacy.delta=1", "less than 1"]),
        ({"privacy__accountant": "hopeful"}, ["privacy.accountant", "'hopeful'", "gaussian"]),
        ({"partition__teachers": 2.5}, ["partition.teachers=2.5", "integer"]),
        ({"partition__teachers": None}, ["missing key partition.teachers"]),
        ({"labelling__max_asked": 10_000}, ["labelling.max_asked", "10000", "data.pool=200"]),
        ({"teachers__model__kind": "oracle"}, ["teachers.model.kind='oracle'", "'logistic'"]),
        ({"teachers__training__learning_rate": float("nan")}, ["teachers.training", "learning_rate=nan"]),
        ({"student__spec__train__epoch": 3}, ["unknown key student.spec.train.epoch=3"]),
        ({"features": {"kind": "scattering", "scales": 0}}, [": features.scales=0", "greater than or equal to 1"]),
        ({"features": {"kind": "scattering", "scale": 1}}, ["unknown key features.scale=1"]),
        ({"features": {"kind": "simclr"}}, ["missing key features.model"]),
        ({"data__hospitals": 0}, [": data.hospitals=0"]),
        ({"name": "No Spaces"}, ["name='No Spaces'", "pattern"]),
        ({"seed": -1}, ["seed=-1"]),
    ],
)
def test_a_wrong_value_is_one_line_with_file_key_value_and_remedy(tmp_path: Path, change: dict, parts: list) -> None:
    path = write(tmp_path, **change)
    with pytest.raises(InputError) as error:
        load(path)
    text = str(error.value)
    assert "\n" not in text
    for piece in [str(path), *parts]:
        assert piece in text, text


def kinds() -> Iterator[tuple[str, str, str]]:
    """Section, discriminating key and each of its values, of every choice between kinds that the schema knows."""
    schema = json_schema()
    sections = {name: schema["properties"][name] for name in ("data", "features", "student")}
    sections["labelling__mechanism"] = schema["$defs"]["LabellingConfig"]["properties"]["mechanism"]
    for name, found in sections.items():
        choice = next(own for own in (found, *found.get("anyOf", ())) if "discriminator" in own)["discriminator"]
        yield from ((name, choice["propertyName"], kind) for kind in choice["mapping"])


@pytest.mark.parametrize(("section", "key", "kind"), list(kinds()))
def test_a_path_holds_keys_of_the_file_and_not_the_chosen_kind(
    tmp_path: Path, section: str, key: str, kind: str
) -> None:
    with pytest.raises(InputError) as error:
        load(write(tmp_path, **{section: {key: kind, "nonsense": 1}}))
    named = re.search(r"(?:missing|unknown) key ([^;=]+)", str(error.value))
    assert named, error.value
    path = section.replace("__", ".")
    assert named.group(1).startswith(f"{path}."), named.group(1)
    assert kind not in named.group(1).removeprefix(f"{path}.").split("."), named.group(1)


FIGURE = {"order": 4, "beta": 0.05, "sigma_ss": 8, "tau_s": 0.3}
"""A sanitised figure that the smoke configuration can pay for."""


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"privacy__sanitised": FIGURE | {"beta": 0.2}}, ["privacy.sanitised.beta < 0.1438 at order 4", "beta=0.2"]),
        ({"privacy__sanitised": FIGURE | {"order": 1}}, ["privacy.sanitised.order=1", "greater than 1"]),
        ({"privacy__sanitised": FIGURE | {"sigma_ss": 0}}, ["privacy.sanitised.sigma_ss=0", "greater than 0"]),
        ({"privacy__sanitised": FIGURE | {"sigma_ss": 0.01}}, ["raise privacy.sanitised.sigma_ss"]),
        ({"privacy__sanitised": FIGURE | {"flor": 1}}, ["unknown key privacy.sanitised.flor=1"]),
        ({"privacy__sanitised": FIGURE | {"floor": 0}}, ["privacy.sanitised.floor=0", "greater than or equal"]),
        ({"privacy__sanitised": {"order": 4}}, ["missing key privacy.sanitised.beta"]),
        (
            {"privacy__sanitised": FIGURE, "partition__teachers": 1001, "data__private": 1200},
            ["at most 1000 teachers", "teachers=1001"],
        ),
        ({"privacy__sanitised": FIGURE, "partition__group_size": 2}, ["moved_votes=2", "partition.group_size: 1"]),
        (
            {"privacy__sanitised": FIGURE, "labelling__mechanism": {"kind": "lnmax", "scale": 60}},
            ["gnmax or confident-gnmax with privacy.sanitised", "LNMax"],
        ),
    ],
)
def test_a_figure_that_cannot_be_had_is_one_line_too(tmp_path: Path, change: dict, parts: list) -> None:
    with pytest.raises(InputError) as error:
        load(write(tmp_path, **change))
    text = str(error.value)
    assert "\n" not in text
    for piece in parts:
        assert piece in text, text


def test_the_budget_holds_the_campaign_and_its_figure(tmp_path: Path) -> None:
    alone = load(write(tmp_path)).campaign_epsilon()
    whole = load(write(tmp_path, privacy__sanitised=FIGURE)).campaign_epsilon()
    assert whole.epsilon > alone.epsilon
    between = (alone.epsilon + whole.epsilon) / 2
    load(write(tmp_path, privacy__epsilon=between))
    with pytest.raises(InputError, match="Expected a campaign within"):
        load(write(tmp_path, privacy__epsilon=between, privacy__sanitised=FIGURE))


def test_a_number_in_scientific_notation_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        (Path(__file__).parents[3] / "configs" / "smoke.yaml").read_text().replace("epsilon: 10", "epsilon: 1e1")
    )
    config = load(path)
    assert config.privacy.delta == 1e-5
    assert config.privacy.epsilon == 10.0


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("name: a\nseed: 1\nseed: 2\n")
    with pytest.raises(InputError, match="'seed' is given twice"):
        load(path)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "name: [unclosed", "\x00"])
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="Expected"):
        load(path)


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(InputError, match=r"No such file.*nowhere\.yaml"):
        load(Path("nowhere.yaml"))


def test_the_run_id_follows_what_changes_results_and_nothing_else(tmp_path: Path) -> None:
    base = load(write(tmp_path)).run_id
    assert load(write(tmp_path, description="another")).run_id == base
    assert load(write(tmp_path, tracking={"experiment": "other"})).run_id == base
    assert load(write(tmp_path, seed=5)).run_id != base
    assert load(write(tmp_path, labelling__mechanism__sigma=9)).run_id != base
    assert load(write(tmp_path), {"seed": 5}).seed == 5


def test_configurations_are_frozen(tmp_path: Path) -> None:
    config = load(write(tmp_path))
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3  # type: ignore[misc]


def test_the_schema_describes_the_shipped_configurations() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert set(BASE) <= set(schema["properties"])


def test_charging_for_a_larger_group_costs_more(tmp_path: Path) -> None:
    one = load(write(tmp_path, privacy__epsilon=1000)).campaign_epsilon().epsilon
    two = load(write(tmp_path, privacy__epsilon=1000, partition__group_size=2)).campaign_epsilon().epsilon
    assert two > 1.9 * one


def test_declarations_for_the_report_change_neither_content_nor_run_id(tmp_path: Path) -> None:
    plain = load(write(tmp_path))
    declared = load(
        write(
            tmp_path,
            report={"controller": " Ward 7 ", "delete_by": "2031-01-31", "largest_epsilon": 12, "declared_units": 800},
        )
    )
    assert declared.report is not None
    assert declared.report.controller == "Ward 7"
    assert (declared.content(), declared.run_id) == (plain.content(), plain.run_id)
    assert "report" not in plain.model_dump(mode="json")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"controler": "x"}, "report.controler"),
        ({"delete_by": "soon"}, "report.delete_by"),
        ({"controller": "  "}, "report.controller"),
        ({"largest_epsilon": 0}, "report.largest_epsilon"),
        ({"declared_units": 0}, "report.declared_units"),
    ],
)
def test_a_wrong_declaration_is_named(tmp_path: Path, section: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load(write(tmp_path, report=section))
