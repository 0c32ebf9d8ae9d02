"""Digests of the teachers' weights: two runs are compared teacher by teacher, to the last bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from safetensors.numpy import load

from pate.teachers.weights import TEACHERS_KEY


def digests_of(bundle: bytes) -> dict[int, str]:
    """Teacher's number -> digest of its weights.

    Args:
        bundle: ``BundleWeights.content``, of networks or of trees.
    """
    if bundle[:1] == b"{":
        document = json.loads(bundle)
        texts = zip(document["teachers"], document["models"], strict=True)
        return {teacher: hashlib.sha256(repr(text).encode()).hexdigest() for teacher, text in texts}
    tensors = load(bundle)
    teachers = tensors.pop(TEACHERS_KEY).tolist()
    parts = [[tensors[name][position].tobytes() for name in sorted(tensors)] for position in range(len(teachers))]
    digests = [hashlib.sha256(b"".join(own)).hexdigest() for own in parts]
    return dict(zip(teachers, digests, strict=True))


def teachers_changed(before: Mapping[int, str], after: Mapping[int, str]) -> int:
    """Number of teachers with different weights."""
    return sum(before.get(teacher) != after.get(teacher) for teacher in before.keys() | after.keys())
