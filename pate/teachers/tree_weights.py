"""A bundle of boosted-trees teachers as bytes: xgboost's own JSON of each, in one document with its SHA-256."""

from __future__ import annotations

import json
from collections.abc import Sequence

from torch import nn

from pate.errors import expected
from pate.models.boosted_trees import Abstainer, Trees, features_of
from pate.models.specs import Shape
from pate.models.trees_format import read_json
from pate.teachers.weights import BundleWeights

FORMAT = "pate boosted trees 1"


def pack_trees(models: Sequence[Trees | Abstainer], teachers: Sequence[int]) -> BundleWeights:
    """The trees of the teachers with these numbers; the same trees give the same bytes.

    The document is ``{"format", "teachers": [number, ...], "models": [text or null, ...]}``; a text is the library's
    JSON, null a teacher that abstains.
    """
    texts = [model.content.decode() if isinstance(model, Trees) else None for model in models]
    return BundleWeights.of(json.dumps({"format": FORMAT, "teachers": list(teachers), "models": texts}).encode())


def unpack_trees(weights: BundleWeights, input_shape: Shape, classes: int) -> dict[int, nn.Module]:
    """Teacher's number -> its trees, as a network.

    Args:
        weights: from ``pack_trees``; its hash is checked before a byte is interpreted.
        input_shape: shape of one input.
        classes: C.

    Raises:
        InputError: the content is not what was hashed, no such document, or of trees for other inputs or classes.
    """
    document = read_json(weights.checked())
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise expected(f"a document of {FORMAT!r}", "nothing else is ever loaded; train again")
    roster, features = _roster(document.get("teachers"), document.get("models")), features_of(input_shape)
    return {
        teacher: Abstainer(classes) if text is None else Trees(text.encode(), features, classes)
        for teacher, text in roster.items()
    }


def _roster(teachers: object, texts: object) -> dict[int, str | None]:
    """Teacher's number -> text or ``None``."""
    if isinstance(teachers, list) and isinstance(texts, list) and len(teachers) == len(texts):
        roster = dict(zip(map(str, teachers), texts, strict=True))
        numbers = all(type(teacher) is int for teacher in teachers)
        if numbers and all(text is None or isinstance(text, str) for text in texts) and len(roster) == len(texts) > 0:
            return {int(teacher): text for teacher, text in roster.items()}
    raise expected("one model for each of one or more different teachers", "train again")
