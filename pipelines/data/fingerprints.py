"""Fingerprints of the three sets of a study."""

from __future__ import annotations

from pate.data import Study
from pate.data.records import PrivateRecords
from pate.public_sets import fingerprint


def fingerprints(study: Study) -> dict[str, str]:
    """Fingerprints of the three sets; that of the private one is private, and computed at the sites if the records are
    there."""
    return {
        "private": "held at the sites" if study.private is None else fingerprint_of(study.private),
        "pool": fingerprint(study.pool.inputs),
        "evaluation": fingerprint(study.evaluation.inputs, study.evaluation.labels_E),
    }


def fingerprint_with_positions(records: PrivateRecords) -> str:
    """Fingerprint of private records and of the input to their assignment: without ids, their positions in the files.
    Private."""
    if records.units_N is not None:
        return fingerprint_of(records)
    return f"{fingerprint_of(records)} at {fingerprint(records.positions())}"


def fingerprint_of(records: PrivateRecords) -> str:
    """Fingerprint of private records, their units and sites. Private."""
    ids = [column for column in (records.units_N, records.sites_N) if column is not None]
    return fingerprint(records.features, records.labels_N, *ids)
