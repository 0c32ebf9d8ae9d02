"""From the configuration to the data: the study and its partition."""

from __future__ import annotations

from pate.data import Partition, Study, digits_study, partition
from pate.public_sets import fingerprint
from pipelines.config import Config


def load_study(config: Config) -> Study:
    """The data that the configuration names."""
    data = config.data
    return digits_study(
        private=data.private,
        pool=data.pool,
        evaluation=data.evaluation,
        hospitals=data.hospitals,
        skew=data.skew,
        seed=config.seed,
    )


def deal(config: Config, study: Study) -> Partition:
    """The partition that the configuration asks for."""
    return partition(
        study.private,
        teachers=config.partition.teachers,
        by=config.partition.by,
        seed=config.seed,
        group_size=config.partition.group_size,
        label_skew=config.partition.label_skew,
    )


def marks(study: Study) -> dict[str, str]:
    """Fingerprints of the three sets; that of the private one is private."""
    private = study.private
    return {
        "private": fingerprint(private.features, private.labels_N),
        "pool": fingerprint(study.pool.inputs),
        "evaluation": fingerprint(study.evaluation.inputs, study.evaluation.labels_E),
    }
