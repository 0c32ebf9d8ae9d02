"""Registers an exported student: a logged model of its run, and a version under its name in the registry.

The MLflow model folder is assembled from the exported files; the network is neither loaded nor
exported again, so that the registered bytes are the recorded ones and torch is not needed.
"""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pipelines.tracking.mlflow.environment  # noqa: F401 - before MLflow, which reads the environment when it is imported

# isort: split
import numpy as np
import yaml
from mlflow.entities import LoggedModelOutput, Metric
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from pate.errors import expected
from pate.student.export import EXAMPLE_FILE, ExportedSpec, read_spec
from pipelines.tracking.mlflow.raw_model import RAW_PACKAGES, copy_raw_files, pyfunc_fields
from pipelines.tracking.tracker import DESCRIPTION_TAG

CANDIDATE = "candidate"
"""Alias of the newest version under a name."""
DIGEST_TAG = "pate.model_digest"
NAME_DESCRIPTION = (
    "Students of PATE campaigns under one name. Each version's tags and card state its privacy guarantee. The alias "
    "`candidate` is the newest one; `pate register RUN --alias champion` selects the one in use."
)
_EXAMPLE = "input_example.json"
_SERVING = "serving_input_example.json"


def register_model(
    client: Any, body: Mapping[str, Any], folder: Path, *, experiment_id: str, mlflow_run: str, run_id: str
) -> None:
    """Log, register, tag and alias a student; steps already done are skipped.

    Args:
        client: an ``MlflowClient``.
        body: of the outbox's model event: digest and card.
        folder: the exported files.
        experiment_id: of the run.
        mlflow_run: the MLflow run that the model belongs to.
        run_id: pate's name of the run.

    Raises:
        InputError: the files are not the ones that were recorded.
    """
    card = body["card"]
    spec = read_spec(folder)
    if (spec.digest, spec.preprocessing_digest) != (body["digest"], body.get("preprocessing")):
        raise expected("the exported files that were recorded", "record the new ones", folder=folder.name)
    tags = {DIGEST_TAG: body["digest"], "pate.run_id": run_id}
    tags |= {key: str(card[key]) for key in ("epsilon", "delta", "privacy_unit", "accountant")}
    tags["benchmark"] = "false" if card["benchmark"] is None else "true"
    if card["benchmark"] is not None:
        tags["benchmark_set"] = str(card["benchmark"])
    if card.get("ledger") is not None:
        tags["ledger"] = str(card["ledger"])
    logged = _logged_model(client, tags, experiment_id=experiment_id, mlflow_run=mlflow_run)
    if str(logged.status) != "READY":
        with tempfile.TemporaryDirectory() as scratch:
            write_model_folder(folder, Path(scratch), model_id=logged.model_id, mlflow_run=mlflow_run, tags=tags)
            client.log_model_artifacts(logged.model_id, scratch)
        client.finalize_logged_model(logged.model_id, "READY")
    note = str(card.get("description", ""))
    client.set_logged_model_tags(logged.model_id, {DESCRIPTION_TAG: note})
    _attach_evaluation(client, body, mlflow_run=mlflow_run, model_id=logged.model_id)
    found = find_version(client, card["name"], digest=body["digest"], run_id=run_id)
    if found is None:
        _ensure_registered(client, card["name"])
        # the source is the artifact folder: MLflow resolves models:/ addresses against a process-wide address
        found = client.create_model_version(
            card["name"],
            logged.artifact_location,
            run_id=mlflow_run,
            tags=tags,
            description=note,
            model_id=logged.model_id,
        )
    link = json.dumps([{"name": card["name"], "version": found.version}])
    client.set_logged_model_tags(logged.model_id, {"mlflow.modelVersions": link})
    if _newest_candidate(client, card["name"]) < int(found.version):
        client.set_registered_model_alias(card["name"], CANDIDATE, found.version)


def write_model_folder(source: Path, target: Path, *, model_id: str, mlflow_run: str, tags: Mapping[str, str]) -> None:
    """Write the folder for ``mlflow.pyfunc.load_model`` and the flavour's own ``load_model``.

    The flavour is pytorch in the pt2 format, or xgboost in JSON, of encoded inputs. Where the student has its
    preprocessing, ``mlflow.pyfunc`` takes raw records; otherwise encoded inputs, with a free batch dimension.
    """
    spec = read_spec(source)
    flavor, data, described = _flavor(spec)
    (target / data).parent.mkdir(exist_ok=True)
    shutil.copyfile(source / spec.file, target / data)
    raw = None if spec.preprocessing_digest is None else copy_raw_files(source, target)
    _write_environment(target, spec)
    model = Model(
        run_id=mlflow_run,
        model_id=model_id,
        model_uuid=model_id,
        signature=_tensors(spec) if raw is None or raw.signature is None else raw.signature,
        saved_input_example_info=_write_example(source, target, None if raw is None else raw.example),
        metadata={**tags, **({} if raw is None else {"raw_inputs": raw.described})},
    )
    model.add_flavor(flavor, **described, code=None)
    encoded: dict[str, Any] = {"loader_module": f"mlflow.{flavor}", "data": data.partition("/")[0]}
    if flavor == "pytorch":
        encoded["model_config"] = {"device": None}
    model.add_flavor(
        "python_function",  # as mlflow.pyfunc.add_to_model would; importing that module takes a second
        python_version=platform.python_version(),
        env={"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
        **(encoded if raw is None else pyfunc_fields()),
    )
    model.save(str(target / "MLmodel"))


def _tensors(spec: ExportedSpec) -> ModelSignature:
    """Signature of encoded inputs."""
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(spec.input_dtype), (-1, *spec.input_shape))]),
        outputs=Schema([TensorSpec(np.dtype(spec.output_dtype), (-1, *spec.output_shape))]),
    )


def _write_example(source: Path, target: Path, table: Mapping[str, Any] | None) -> dict[str, str]:
    """Write the input example, encoded inputs unless a table is given; returns MLflow's description of it."""
    described = {"artifact_path": _EXAMPLE, "serving_input_path": _SERVING}
    if table is None:
        rows = np.load(source / EXAMPLE_FILE, allow_pickle=False).tolist()
        example, serving, kind = rows, {"inputs": rows}, {"type": "ndarray"}
    else:
        example, serving = table, {"dataframe_split": table}
        kind = {"type": "dataframe", "pandas_orient": "split"}
    (target / _EXAMPLE).write_text(json.dumps(example))
    (target / _SERVING).write_text(json.dumps(serving))
    return {**described, **kind}


def _flavor(spec: ExportedSpec) -> tuple[str, str, dict[str, str]]:
    """Return MLflow's flavour, the path of the file in the model's folder, and the flavour's fields."""
    if spec.format == "pt2":
        return "pytorch", f"data/{spec.file}", {"model_data": "data", "pytorch_version": spec.library_version}
    described = {"data": spec.file, "model_format": "json", "model_class": "xgboost.core.Booster"}
    return "xgboost", spec.file, {**described, "xgb_version": spec.library_version}


def _write_environment(target: Path, spec: ExportedSpec) -> None:
    """The library versions that the model needs, in the three formats that MLflow reads."""
    needed = {
        "mlflow": version("mlflow"),
        "torch" if spec.format == "pt2" else "xgboost-cpu": spec.library_version.partition("+")[0],
        "numpy": version("numpy"),
    }
    if spec.preprocessing_digest is not None:
        needed |= {name: version(name).partition("+")[0] for name in RAW_PACKAGES if name not in needed}
    requirements = [f"{name}=={number}" for name, number in needed.items()]
    python = platform.python_version()
    (target / "requirements.txt").write_text("\n".join(requirements) + "\n")
    (target / "python_env.yaml").write_text(
        yaml.safe_dump({"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]})
    )
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": requirements}],
    }
    (target / "conda.yaml").write_text(yaml.safe_dump(conda, sort_keys=False))


def _logged_model(client: Any, tags: Mapping[str, str], *, experiment_id: str, mlflow_run: str) -> Any:
    """The run's logged model with that digest, created if there is none, and named as an output of the run."""
    wanted = " AND ".join(f"tags.`{key}` = '{tags[key]}'" for key in (DIGEST_TAG, "pate.run_id"))
    found = client.search_logged_models([experiment_id], filter_string=wanted)
    logged = (
        found[0]
        if found
        else client.create_logged_model(
            experiment_id, name="student", source_run_id=mlflow_run, tags=dict(tags), model_type="student"
        )
    )
    outputs = client.get_run(mlflow_run).outputs
    if logged.model_id not in {output.model_id for output in (outputs.model_outputs if outputs else [])}:
        client.log_outputs(mlflow_run, [LoggedModelOutput(logged.model_id, step=0)])
    return logged


def find_version(client: Any, name: str, *, digest: str, run_id: str) -> Any:
    """The registered version of that archive and run, or ``None``."""
    wanted = f"name = '{name}' and tags.`{DIGEST_TAG}` = '{digest}'"
    for found in client.search_model_versions(wanted):
        if found.tags.get("pate.run_id") == run_id:
            return found
    return None


def _newest_candidate(client: Any, name: str) -> int:
    """The version that the alias names, 0 if none; a late repetition of a delivery does not move it back."""
    version = client.get_registered_model(name).aliases.get(CANDIDATE)
    return 0 if version is None else int(version)


def _attach_evaluation(client: Any, body: Mapping[str, Any], *, mlflow_run: str, model_id: str) -> None:
    """Log the run's metrics of this model again, with the model's id: the store adds only missing ones."""
    evaluation = body.get("evaluation")
    if evaluation is None:
        return
    dataset = {"dataset_name": evaluation["dataset"], "dataset_digest": evaluation["fingerprint"]}
    points = [
        Metric(key, value, time, 0, model_id=model_id, run_id=mlflow_run, **dataset)
        for key, value, time in evaluation["points"]
    ]
    client.log_batch(mlflow_run, metrics=points)


def _ensure_registered(client: Any, name: str) -> None:
    try:
        client.create_registered_model(name, description=NAME_DESCRIPTION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
