"""Points a registry alias at a registered student, such as the one in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import pipelines.tracking.mlflow.environment  # noqa: F401 - before MLflow, which reads the environment when it is imported

# isort: split
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from pate.errors import Unavailable, expected
from pipelines.tracking.cards import Registrable
from pipelines.tracking.destination import Destination
from pipelines.tracking.mlflow.model import find_version


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A version in the registry.

    Attributes:
        name: of the model.
        version: its number.
        alias: that now points at it.
        changed: ``True`` if the alias pointed at another version, or none, before.
    """

    name: str
    version: int
    alias: str
    changed: bool


def set_alias(where: Destination, student: Registrable, alias: str) -> Registered:
    """Point an alias at the student's version; idempotent.

    Args:
        where: the destination that the run was delivered to.
        student: one that passed ``pipelines.operations.registration.check``.
        alias: the name.

    Raises:
        InputError: the registry does not have that student.
        Unavailable: the server does not answer.
    """
    try:
        client = MlflowClient(tracking_uri=where.uri, registry_uri=where.uri)
        found = find_version(client, student.name, digest=student.digest, run_id=student.run_id)
        if found is None:
            raise expected(
                f"run {student.run_id} among the versions of {student.name} at {where.shown}",
                "was it deleted there? Restore the store",
            )
        before = client.get_registered_model(student.name).aliases.get(alias)
        changed = before is None or int(before) != int(found.version)
        if changed:
            client.set_registered_model_alias(student.name, alias, found.version)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise Unavailable(
            f"Expected {where.shown} to name a version {alias!r}, got {type(error).__name__}; retry when it answers"
        ) from error
    return Registered(name=student.name, version=int(found.version), alias=alias, changed=changed)
