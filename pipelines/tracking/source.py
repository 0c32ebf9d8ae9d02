"""Origin of a run as MLflow shows it: the command, the commit of the code and, where asked for, the user."""

from __future__ import annotations

import os

from pipelines.storage.code_commit import CHANGED, code_commit

USER_VARIABLES = ("PATE_TRACKING_USER", "MLFLOW_TRACKING_USERNAME")
"""Environment variables that name the user; the name in the operating system is never sent."""
_LONGEST_USER = 100


def source_tags(name: str) -> dict[str, str]:
    """Tags of a run of the experiment ``name``; without commit outside a checkout, without user unless one is named."""
    tags = {"mlflow.source.name": f"pate run {name}", "mlflow.source.type": "LOCAL"}
    commit = code_commit()
    if commit is not None:
        tags |= {"mlflow.source.git.commit": commit.removesuffix(CHANGED), "pate.code": commit}
    user = next((os.environ[key].strip() for key in USER_VARIABLES if os.environ.get(key, "").strip()), None)
    return tags if user is None else {**tags, "mlflow.user": user[:_LONGEST_USER]}
