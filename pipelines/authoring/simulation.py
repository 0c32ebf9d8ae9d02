"""The files of a synthetic consortium and a configuration that runs on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeAlias

import pandas as pd

from pate.data.simulated import CLASSES, DECIMALS, MEASUREMENTS, Consortium, ConsortiumSpec, SimulatedRecords
from pate.files import write_atomically
from pipelines.authoring import yaml_text
from pipelines.authoring.first_campaign import BUDGET, first_campaign

FileKind: TypeAlias = Literal["csv", "parquet"]
LABEL, UNIT = "diagnosis", "patient_id"


def site_name(site: int, sites: int) -> str:
    """Return the hospital's name, also its node's label."""
    return f"hospital_{site + 1:0{max(2, len(str(sites)))}d}"


def write_consortium(folder: Path, spec: ConsortiumSpec, found: Consortium, kind: FileKind, group_size: int) -> Path:
    """Write ``sites/``, pool, evaluation set, the list of hospitals that will fail, and two configurations.

    ``config.yaml`` runs on this machine; ``cluster.yaml`` reads each hospital's file on the Ray nodes with its label.

    Args:
        folder: new.
        spec: of the simulation.
        found: the records.
        kind: of the files.
        group_size: partitions that one patient may be in, as declared in the configuration.

    Returns:
        The path of ``config.yaml``.
    """
    (folder / "sites").mkdir(parents=True)
    names = [site_name(site, spec.sites) for site in range(spec.sites)]
    private = _table(found.private)
    for site, name in enumerate(names):
        _write(private[found.private.sites_N == site], folder / "sites" / f"{name}.{kind}")
    _write(_table(found.pool).drop(columns=LABEL), folder / f"pool.{kind}")
    _write(_table(found.evaluation), folder / f"evaluation.{kind}")
    lost = "".join(f"{names[site]}\n" for site in found.dropped)
    write_atomically(folder / "drop_outs.txt", lost)
    path = folder / "config.yaml"
    alone = _config(folder.name, spec, names, kind, group_size)
    write_atomically(path, alone)
    write_atomically(
        folder / "cluster.yaml", alone.replace("/config.yaml", "/cluster.yaml", 1) + _cluster(folder, spec)
    )
    return path


def _table(found: SimulatedRecords) -> pd.DataFrame:
    columns = {
        name: (found.values_NF[:, position].astype(int) if digits == 0 else found.values_NF[:, position])
        for position, (name, digits) in enumerate(zip(MEASUREMENTS, DECIMALS, strict=True))
    }
    return pd.DataFrame(
        {
            UNIT: [f"synthetic-{number:07d}" for number in found.patients_N],
            "sex": ["female" if female else "male" for female in found.female_N],
            **columns,
            LABEL: [CLASSES[label] for label in found.labels_N],
        }
    )


def _write(table: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False)


def _config(name: str, spec: ConsortiumSpec, names: list[str], kind: FileKind, group_size: int) -> str:
    first = first_campaign(
        units=spec.patients, left=spec.patients, sites=spec.sites, pool=spec.pool, group_size=group_size
    )
    files = [f"    - {{path: sites/{site}.{kind}, site: {site}}}" for site in names]
    command = f"--sites {spec.sites} --patients {spec.patients} --skew {spec.skew} --one-class {spec.one_class}"
    command += f" --overlap {spec.overlap} --group-size {group_size} --drop-outs {spec.drop_outs} --pool {spec.pool}"
    command += f" --evaluation {spec.evaluation} --format {kind} --seed {spec.seed}"
    return "\n".join(
        [
            f"# pate run {name}/config.yaml",
            "# SYNTHETIC DATA, made by `pate simulate`: no number describes a real person or hospital.",
            f"# pate simulate {name} {command}",
            f"name: {name}",
            "description: Rehearsal on a synthetic consortium.",
            f"seed: {spec.seed}",
            "data:",
            "  source: table",
            f"  data_id: synthetic-{name}",
            "  task: diagnosis of synthetic patients",
            "  private_files:",
            *files,
            f"  pool_files: [pool.{kind}]",
            f"  evaluation_files: [evaluation.{kind}]",
            f"  pool: {spec.pool}",
            f"  evaluation: {spec.evaluation}",
            f"  label: {{column: {LABEL}, classes: [{', '.join(CLASSES)}]}}",
            f"  unit: {UNIT}",
            "  features:",
            f"    numeric: [{{columns: [{', '.join(MEASUREMENTS)}], clip: 4}}]",
            "    categorical: [{columns: [sex], unknown: refuse,",
            "                   categories: [{column: sex, values: [female, male]}]}]",
            "partition:",
            f"  teachers: {first.teachers}",
            "  by: site",
            f"  group_size: {group_size}  # hospitals that may hold one patient; the cost grows with it",
            "privacy:",
            f"  epsilon: {BUDGET:g}",
            f"  delta: {first.delta:.0e}",
            "  unit: patient",
            "  retention_days: 30",
            *yaml_text.teachers(),
            *yaml_text.labelling(asked=first.asked, sigma=first.sigma),
            *yaml_text.student(),
            "",
        ]
    )


def _cluster(folder: Path, spec: ConsortiumSpec) -> str:
    """Return the sections that a cluster with a node per hospital adds."""
    return "\n".join(
        [
            "# Each hospital's file is read on the Ray nodes with the label site=<hospital>, and nowhere else.",
            "sites:",
            f"  folder: {json.dumps(str(folder.absolute() / 'teachers'))}  # on the nodes; teachers stay there",
            "faults:",
            f"  quorum_sites: {spec.sites - spec.lost}  # with fewer, the run stops before anything is released",
            "",
        ]
    )
