"""Checks of xgboost's JSON of a classifier before the library reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from pate.errors import InputError, expected

OBJECTIVE = "multi:softprob"
"""Objective of the library: the log loss of one score per class."""
_NUMBERS = ("base_weights", "loss_changes", "split_conditions", "sum_hessian")
_INDICES = ("default_left", "left_children", "right_children", "parents", "split_indices", "split_type")
_EMPTY = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
_ROOT = 2**31 - 1  # the parent that the library writes for a root


def read_json(content: bytes) -> Any:
    """Parse unambiguous JSON: no duplicate key in an object, only finite numbers.

    Raises:
        InputError: it is no such JSON.
    """
    try:
        return json.loads(content, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise _foreign("JSON") from error


def check_trees(content: bytes, features: int, classes: int) -> None:
    """Refuse anything but a classifier of numeric trees for this number of features and classes.

    Every number that the library uses as an index is checked: children, parents, features, the class of each tree.

    Raises:
        InputError: one line, without anything of the content.
    """
    document = read_json(content)
    try:
        learner = document["learner"]
        parameters, booster = learner["learner_model_param"], learner["gradient_booster"]
        model = booster["model"]
        trees = model["trees"]
        right = (
            learner["objective"] == {"name": OBJECTIVE, "softmax_multiclass_param": {"num_class": str(classes)}}
            and booster["name"] == "gbtree"
            and (parameters["num_class"], parameters["num_feature"], parameters["num_target"])
            == (str(classes), str(features), "1")
            and _is_finite(read_json(parameters["base_score"].encode()), classes)
            and model["gbtree_model_param"] == {"num_parallel_tree": "1", "num_trees": str(len(trees))}
            and model["tree_info"] == [number % classes for number in range(len(trees))]
            and model["iteration_indptr"] == list(range(0, len(trees) + 1, classes))
            and learner["attributes"] == {}
            and not any(learner["feature_names"] + learner["feature_types"])
            and not any(model.get("cats", {}).values())
            and _are_trees(trees, features)
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise _foreign("xgboost's JSON of a classifier") from error
    if not right:
        raise _foreign(f"boosted trees for {features} features and {classes} classes")


def _is_finite(values: Any, classes: int) -> bool:
    found = _array(values, (int, float))
    return len(found) == classes and _fits(found)


def _fits(values: npt.NDArray[Any]) -> bool:
    """Return ``True`` if all are finite in single precision, whose largest number the library rounds up in writing."""
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.asarray(values, dtype=np.float64).astype(np.float32)).all())


def _are_trees(trees: list[Any], features: int) -> bool:
    """Return ``True`` if, in every tree, each node but the root is the child of one node before it, splits are on known
    features, and arrays have one length; checked for all trees at once, since there are many small ones."""
    sizes = [len(tree["left_children"]) for tree in trees]
    numbers = {name: _flat(trees, name, sizes, (int, float)) for name in _NUMBERS}
    indices = {name: _flat(trees, name, sizes, (int,)) for name in _INDICES}
    if any(values.min() < -1 or values.max() > _ROOT for values in indices.values()):
        return False  # before any arithmetic on them
    default, left, right, parents, splits, kinds = (indices[name].astype(np.int64) for name in _INDICES)
    roots = np.cumsum([0, *sizes[:-1]])
    start, node = np.repeat(roots, sizes), np.arange(sum(sizes))
    inner, is_root = left >= 0, np.isin(node, roots)
    owners = np.tile(node[inner], 2)
    children = np.concatenate([left[inner], right[inner]]) + start[owners]
    parents = np.where(is_root, parents, parents + start)
    return (
        all(tree["tree_param"] == _described(size, features) for tree, size in zip(trees, sizes, strict=True))
        and [tree["id"] for tree in trees] == list(range(len(trees)))
        and not any(tree[name] for tree in trees for name in _EMPTY)
        and all(_fits(values) for values in numbers.values())
        and bool(((left == -1) == (right == -1)).all() and (left >= -1).all() and (right >= -1).all())
        and np.array_equal(np.sort(children), node[~is_root])
        and bool(
            (children > owners).all()
            and (parents[children] == owners).all()
            and (parents >= start).all()  # else an owner could be in another tree
            and (parents[is_root] == _ROOT).all()
        )
        and bool(((splits >= 0) & (splits < features)).all() and (kinds == 0).all() and np.isin(default, (0, 1)).all())
    )


def _described(nodes: int, features: int) -> dict[str, str]:
    return {"num_deleted": "0", "num_feature": str(features), "num_nodes": str(nodes), "size_leaf_vector": "1"}


def _flat(trees: list[Any], name: str, sizes: list[int], kinds: tuple[type, ...]) -> npt.NDArray[Any]:
    """One concatenated array of all trees, with one entry per node."""
    lists = [tree[name] for tree in trees]
    if [len(own) for own in lists] != sizes or min(sizes, default=0) < 1:
        raise ValueError("arrays of one length")
    return _array([value for own in lists for value in own], kinds)


def _array(values: Any, kinds: tuple[type, ...]) -> npt.NDArray[Any]:
    if not isinstance(values, list) or not {type(value) for value in values} <= set(kinds):
        raise TypeError("a list of numbers")
    return np.array(values)


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError("a name twice")
        found[name] = value
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _foreign(what: str) -> InputError:
    return expected(what, "the content was altered, or was written by another program; train again")
