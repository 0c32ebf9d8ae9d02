"""The user's own parts of an experiment, named by their import paths."""

from __future__ import annotations

from pate.models import CustomModel, EstimatorModel
from pate.models.own_parts import load_part
from pipelines.config.experiment import Config
from pipelines.config.student import CustomLearnerConfig


def _paths(config: Config) -> list[tuple[str, str, str]]:
    """Role, key and import path of each own part."""
    model, student = config.teachers.model, config.student
    found = []
    if isinstance(model, CustomModel):
        found.append(("teacher model", "teachers.model.builder", model.builder))
    if isinstance(model, EstimatorModel):
        found.append(("teacher estimator", "teachers.model.estimator", model.estimator))
    if isinstance(student, CustomLearnerConfig):
        found.append(("student learner", "student.builder", student.builder))
    return found


def own_teachers(config: Config) -> dict[str, str]:
    """The import path of user-defined teacher code by its role, such as ``teacher model``; ``votes`` where these were
    made elsewhere."""
    if config.votes_are_given:
        return {"votes": "made elsewhere"}
    return {role: path for role, key, path in _paths(config) if key.startswith("teachers.")}


def own_student(config: Config) -> dict[str, str]:
    """The user-defined learner by its role, for tables: ``user-defined (mypackage:learner)``."""
    return {role: f"user-defined ({path})" for role, key, path in _paths(config) if key.startswith("student.")}


def require_importable(config: Config) -> None:
    """Import each own part.

    Raises:
        InputError: one cannot be imported on this machine; with its key and the remedy.
    """
    for _, key, path in _paths(config):
        load_part(path, key=key)
