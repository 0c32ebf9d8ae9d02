"""Every field of a library class can be set from YAML, and runs keep their ids."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from pate.accounting.events import SanitisedReleaseEvent
from pate.aggregation import mechanisms
from pate.data.body import Split
from pate.data.categories import CategoricalColumns
from pate.data.columns import LabelRule
from pate.data.encoding import Missing, NumericColumns
from pate.data.files.images import Pixels
from pate.data.files.table_file import FileFormat, Join
from pate.errors import InputError
from pate.features import diffusion, representations
from pate.models import specs
from pate.student import FixMatch, PseudoLabel, learners
from pate.student import specs as student_specs
from pipelines.config.experiment import Config, json_schema, load

ROOT = Path(__file__).parents[3]
GOLDEN: dict[str, Any] = json.loads((ROOT / "tests" / "golden" / "config_content.json").read_text())
SMOKE: dict[str, Any] = yaml.safe_load((ROOT / "configs" / "smoke.yaml").read_text())
SCHEMA = json_schema()
SECTION_OF = {
    **{kind: f"{kind.__name__}Config" for kind in (Join, Missing)},
    SanitisedReleaseEvent: "SanitisedConfig",
    Split: "SplitConfig",
    LabelRule: "LabelConfig",
    CategoricalColumns: "CategoricalConfig",
    NumericColumns: "NumericConfig",
    Pixels: "PixelsConfig",
    FileFormat: "FormatConfig",
}

FOLLOWING = {"whole_pool"}
"""Fields that follow from other keys: votes made elsewhere are on the whole pool."""


def settings(module: ModuleType) -> list[type[Any]]:
    """The dataclasses that a module defines and that can be made."""
    found = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__]
    return [kind for kind in found if dataclasses.is_dataclass(kind) and not inspect.isabstract(kind)]


CLASSES = [
    kind
    for module in (mechanisms, diffusion, representations, specs, learners, student_specs)
    for kind in settings(module)
] + list(SECTION_OF)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_field_is_a_key(kind: type[Any]) -> None:
    name = SECTION_OF.get(kind, kind.__name__)
    keys = SCHEMA["$defs"].get(name) or SCHEMA["$defs"][f"{name}Config"]
    assert {field.name for field in dataclasses.fields(kind)} - FOLLOWING <= set(keys["properties"])


def write(folder: Path, **changes: Any) -> Path:
    content = copy.deepcopy(SMOKE)
    for section, values in changes.items():
        content[section] = values if section == "student" else {**content[section], **values}
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


SPEC = {"model": {"kind": "cnn", "hidden": [4]}, "train": {"steps": 5}}
IMAGES = {"learner": "fixmatch", "spec": SPEC, "weak": {}, "strong": {"shift": 0.1}}
TABLES = {"learner": "pseudo-label", "spec": SPEC}
FIGURE = {"order": 4, "beta": 0.05, "sigma_ss": 8, "tau_s": 0.3}


def test_fields_that_were_out_of_reach_reach_the_library(tmp_path: Path) -> None:
    image = load(write(tmp_path, student=IMAGES | {"alignment": False})).student.build()
    assert isinstance(image, FixMatch)
    assert image.alignment is False
    table = load(write(tmp_path, student=TABLES | {"ramp": [0.1, 0.4]})).student.build()
    assert isinstance(table, PseudoLabel)
    assert table.ramp == (0.1, 0.4)
    event = load(write(tmp_path, privacy={"sanitised": FIGURE | {"floor": 0.002}})).sanitised_release()
    assert event == SanitisedReleaseEvent(**FIGURE, floor=0.002)


@pytest.mark.parametrize(
    ("default", "other"),
    [
        ({"student": IMAGES | {"alignment": True}}, {"student": IMAGES | {"alignment": False}}),
        ({"student": TABLES | {"ramp": [0.2, 0.7]}}, {"student": TABLES | {"ramp": [0.2, 0.8]}}),
        (
            {"privacy": {"sanitised": FIGURE | {"floor": 1e-4}}},
            {"privacy": {"sanitised": FIGURE | {"floor": 2e-4}}},
        ),
    ],
    ids=["alignment", "ramp", "floor"],
)
def test_a_later_key_changes_the_id_where_it_is_used_alone(tmp_path: Path, default: Any, other: Any) -> None:
    section, values = next(iter(default.items()))
    inner = values if section == "student" else values["sanitised"]
    key = list(inner)[-1]
    left_out = {k: v for k, v in inner.items() if k != key}
    without = load(write(tmp_path, **{section: left_out if section == "student" else {"sanitised": left_out}}))
    assert load(write(tmp_path, **default)).content() == without.content()
    assert f"'{key}'" not in str(without.model_dump())
    assert load(write(tmp_path, **other)).run_id != without.run_id


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_shipped_configurations_keep_their_content_and_run_ids(name: str) -> None:
    config = load(ROOT / "configs" / name)
    assert config.content() == GOLDEN[name]["content"]
    assert config.run_id == GOLDEN[name]["run_id"]


@pytest.mark.parametrize("key", ["teachers.training.balanced", "student.spec.train.balanced", "student.spec.warm_up"])
def test_a_later_field_of_a_library_class_changes_the_id_where_it_is_used_alone(key: str) -> None:
    *way, name = key.split(".")
    off, on = (0.0, 0.3) if name == "warm_up" else (False, True)

    def changed(value: object) -> Config:
        content = yaml.safe_load((ROOT / "configs" / "digits.yaml").read_text())
        section = content
        for step in way:
            section = section[step]
        section[name] = value
        return Config.model_validate(content)

    plain = load(ROOT / "configs" / "digits.yaml")
    assert changed(off).content() == plain.content()
    assert name not in str(plain.model_dump())
    assert changed(on).run_id != plain.run_id
    assert f"'{name}': {on}" in str(changed(on).content())


def test_an_encoder_without_labels_is_not_balanced() -> None:
    features = {"kind": "simclr", "augmentation": {}, "model": {"kind": "cnn"}}
    train = {"steps": 2, "batch_size": 8, "balanced": True}
    config = load(ROOT / "configs" / "digits.yaml", {"features": {**features, "train": train}})
    with pytest.raises(InputError, match="balanced"):
        config.features.build()
