"""Gradient-boosted trees (Friedman 2001; Chen, Guestrin 2016), fitted by the library xgboost, as an alternative to
networks.

A fitted model is the library's own JSON: text, no pickle. The library trusts what it loads (it follows a child's index
outside the tree), so the text is checked first, by an unambiguous parser.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pate.errors import expected
from pate.models.specs import Shape, TreesSpec
from pate.models.training import FloatArray, IntArray
from pate.models.trees_format import OBJECTIVE, check_trees, read_json

_HALF = 0.5  # records added to each class, so that a class that was not seen keeps a finite score


@final
class Trees(nn.Module):
    """Fitted trees: inputs ``[N, *shape]``, flattened, to logits ``[N, C]``; no parameters that torch could train.

    An input with a number that is not finite gets NaN as its logits, as a network would give it.

    Args:
        content: the library's JSON.
        features: F, numbers in one input.
        classes: C.

    Raises:
        InputError: the content is not trees for such inputs and classes.
    """

    def __init__(self, content: bytes, features: int, classes: int) -> None:
        super().__init__()
        import xgboost  # noqa: PLC0415 - takes seconds to import; only trees need it

        check_trees(content, features, classes)
        self.content = content
        self.features = features
        self.classes = classes
        try:
            self._booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(content))
        except xgboost.core.XGBoostError as error:
            raise expected("trees that xgboost reads", "train again with the installed version") from error

    @property
    def nodes(self) -> int:
        """Number of splits and leaves."""
        return sum(
            len(tree["parents"]) for tree in read_json(self.content)["learner"]["gradient_booster"]["model"]["trees"]
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits, on the device of the inputs; computed on the processor."""
        rows_NF = inputs.detach().cpu().flatten(1).numpy()
        if rows_NF.shape[1] != self.features:
            raise expected(f"{self.features} numbers per input", "give what the trees were fitted on")
        logits_NC = np.full((len(rows_NF), self.classes), np.nan, dtype=np.float32)
        whole_N = np.isfinite(rows_NF).all(axis=1)
        if whole_N.any():
            logits_NC[whole_N] = self._booster.predict(_matrix(rows_NF[whole_N]), output_margin=True)
        return torch.from_numpy(logits_NC).to(inputs.device)


@final
class Abstainer(nn.Module):
    """Abstains: NaN as every logit.

    Args:
        classes: C.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, inputs: Tensor) -> Tensor:
        """NaN ``[N, C]``."""
        return torch.full((len(inputs), self.classes), math.nan, device=inputs.device)


def fit_trees(
    spec: TreesSpec,
    inputs_N: FloatArray,
    labels_N: IntArray,
    classes: int,
    *,
    seed: int,
    weights_N: npt.NDArray[np.floating] | None = None,
) -> Trees | Abstainer:
    """Fit trees, on one thread: the same arguments give the same bytes.

    Scores begin at the log of the classes' shares, each class counted half a record more than it has (Krichevsky,
    Trofimov 1981), so that trees of one class, or of too few records to split, predict the observed shares.

    Args:
        spec: which trees.
        inputs_N: shape ``[N, *shape]``, N >= 1.
        labels_N: in ``0..C-1``. Shape ``[N]``.
        classes: C.
        seed: of the subsamples of records and features.
        weights_N: how much each record counts; default 1. Shape ``[N]``.

    Returns:
        The trees; or, where an input is not finite, an abstainer, as a network with NaN weights would be.

    Raises:
        InputError: none at all, lengths differ, or a label out of range. The message names no record.
    """
    import xgboost  # noqa: PLC0415 - takes seconds to import; only trees need it

    rows_NF = _rows(inputs_N)
    if len(rows_NF) == 0 or labels_N.shape != (len(rows_NF),):
        raise expected("one label per record and at least one record", "check the arrays")
    if labels_N.min() < 0 or labels_N.max() >= classes:
        raise expected(f"labels in 0..{classes - 1}", "check the labels and the number of classes")
    if not np.isfinite(rows_NF).all():
        return Abstainer(classes)
    weights = np.ones(len(rows_NF)) if weights_N is None else np.asarray(weights_N, dtype=np.float64)
    if spec.balanced:
        weights = weights * _balance(labels_N, weights, classes)
    counts_C = np.bincount(labels_N, weights=weights, minlength=classes) + _HALF
    booster = xgboost.train(
        {**_settings(spec, seed), "num_class": classes, "base_score": np.log(counts_C / counts_C.sum()).tolist()},
        _matrix(rows_NF, labels_N, weights),
        num_boost_round=spec.rounds,
    )
    return Trees(bytes(booster.save_raw("json")), rows_NF.shape[1], classes)


def features_of(input_shape: Shape) -> int:
    """F: numbers in one input of this shape."""
    return int(np.prod(input_shape))


def _settings(spec: TreesSpec, seed: int) -> Mapping[str, Any]:
    return {
        "objective": OBJECTIVE,
        "tree_method": "hist",
        "max_depth": spec.depth,
        "learning_rate": spec.learning_rate,
        "min_child_weight": spec.min_child_weight,
        "reg_lambda": spec.reg_lambda,
        "subsample": spec.subsample,
        "colsample_bytree": spec.colsample,
        "seed": seed % 2**31,
        "nthread": 1,
        "verbosity": 0,
        "disable_default_eval_metric": 1,
    }


def _balance(labels_N: IntArray, weights_N: npt.NDArray[np.float64], classes: int) -> npt.NDArray[np.float64]:
    """Factors that give the classes that occur equal total weights and keep the total weight of all records."""
    mass_C = np.bincount(labels_N, weights=weights_N, minlength=classes)
    seen_C = mass_C > 0
    factor_C = np.divide(mass_C.sum() / seen_C.sum(), mass_C, out=np.ones(classes), where=seen_C)
    factor_N: npt.NDArray[np.float64] = factor_C[labels_N]
    return factor_N


def _rows(inputs_N: FloatArray) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(inputs_N, dtype=np.float32).reshape(len(inputs_N), features_of(inputs_N.shape[1:]))


def _matrix(
    rows_NF: npt.NDArray[np.float32], labels_N: IntArray | None = None, weights_N: npt.NDArray[Any] | None = None
) -> Any:
    import xgboost  # noqa: PLC0415 - takes seconds to import; only trees need it

    return xgboost.DMatrix(rows_NF, label=labels_N, weight=weights_N, nthread=1)
