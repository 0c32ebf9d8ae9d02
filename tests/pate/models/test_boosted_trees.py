"""Trees say what their records say, the same every time, and nothing but checked trees is given to the library."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pate.errors import InputError
from pate.models.boosted_trees import Abstainer, Trees, fit_trees
from pate.models.specs import TreesSpec
from pate.models.trees_format import check_trees, read_json
from pate.teachers.tree_weights import pack_trees, unpack_trees

SPEC = TreesSpec(rounds=12, depth=2, subsample=0.7, colsample=0.5)


def data(count: int = 200, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(count, 6)).astype(np.float32)
    score = np.abs(inputs[:, 0]) + 0.5 * inputs[:, 1]
    return inputs, np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))


@pytest.fixture(scope="module")
def fitted() -> Trees:
    trees = fit_trees(SPEC, *data(), 2, seed=3)
    assert isinstance(trees, Trees)
    return trees


def logits(trees: Trees | Abstainer, inputs: np.ndarray) -> np.ndarray:
    return trees(torch.from_numpy(inputs)).numpy()


def test_trees_learn_what_no_linear_model_can() -> None:
    inputs, labels = data(600, 3)
    held, truth = data(300, 3, seed=1)
    trees = fit_trees(TreesSpec(rounds=40), inputs, labels, 3, seed=0)
    assert (logits(trees, held).argmax(axis=1) == truth).mean() > 0.8


def test_the_same_arguments_give_the_same_bytes_and_another_seed_gives_others(fitted: Trees) -> None:
    assert fit_trees(SPEC, *data(), 2, seed=3).content == fitted.content  # type: ignore[union-attr]
    assert fit_trees(SPEC, *data(), 2, seed=4).content != fitted.content  # type: ignore[union-attr]


def test_the_text_gives_what_the_library_gave_in_the_process_that_fitted() -> None:
    import xgboost

    inputs, labels = data(150, 3)
    settings_ = {"objective": "multi:softprob", "num_class": 3, "base_score": [-1.0, -1.1, -1.2], "nthread": 1}
    booster = xgboost.train(settings_, xgboost.DMatrix(inputs, label=labels, nthread=1), num_boost_round=5)
    read = Trees(bytes(booster.save_raw("json")), 6, 3)
    direct = booster.predict(xgboost.DMatrix(inputs, nthread=1), output_margin=True)
    np.testing.assert_array_equal(logits(read, inputs), direct)


def test_logits_are_the_sum_of_the_leaves_that_the_text_names(fitted: Trees) -> None:
    inputs, _ = data(20, seed=2)
    document = json.loads(fitted.content)["learner"]
    model = document["gradient_booster"]["model"]
    found = np.tile(np.array(json.loads(document["learner_model_param"]["base_score"])), (20, 1))
    for tree, of_class in zip(model["trees"], model["tree_info"], strict=True):
        for row, values in enumerate(inputs):
            node = 0
            while tree["left_children"][node] >= 0:
                small = values[tree["split_indices"][node]] < np.float32(tree["split_conditions"][node])
                node = tree["left_children" if small else "right_children"][node]
            found[row, of_class] += tree["split_conditions"][node]
    np.testing.assert_allclose(logits(fitted, inputs), found, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_trees_of_one_class_say_it_always(count: int, balanced: bool) -> None:
    inputs, _ = data(100)
    labels = np.full(count, 2, dtype=np.int64)
    trees = fit_trees(TreesSpec(rounds=5, balanced=balanced), inputs[:count], labels, 4, seed=0)
    assert set(logits(trees, inputs).argmax(axis=1)) == {2}


def test_too_few_records_to_split_say_the_class_with_more() -> None:
    inputs, _ = data(3)
    trees = fit_trees(TreesSpec(min_child_weight=100), inputs, np.array([1, 0, 1]), 2, seed=0)
    np.testing.assert_allclose(logits(trees, inputs), np.log([[1.5 / 4, 2.5 / 4]] * 3), rtol=1e-6)


def test_balance_finds_the_rare_class_more_often() -> None:
    rng = np.random.default_rng(5)
    labels = (np.arange(400) < 20).astype(np.int64)
    inputs = (rng.normal(size=(400, 4)) + labels[:, None]).astype(np.float32)
    plain, balanced = (
        logits(fit_trees(TreesSpec(rounds=10, depth=1, balanced=flag), inputs, labels, 2, seed=0), inputs).argmax(
            axis=1
        )
        for flag in (False, True)
    )
    assert balanced[:20].mean() > 0.7 > plain[:20].mean()


def test_a_weight_of_two_is_the_record_twice() -> None:
    inputs, labels = data(60)
    twice = fit_trees(TreesSpec(rounds=5), np.concatenate([inputs, inputs]), np.tile(labels, 2), 2, seed=0)
    weighted = fit_trees(TreesSpec(rounds=5), inputs, labels, 2, seed=0, weights_N=np.full(60, 2.0))
    np.testing.assert_allclose(logits(twice, inputs), logits(weighted, inputs), rtol=1e-4, atol=1e-5)


def test_numbers_that_are_not_finite_give_nan_for_their_input_alone(fitted: Trees) -> None:
    inputs, labels = data(8)
    inputs[2, 1], inputs[5, 0] = np.nan, np.inf
    found = logits(fitted, inputs)
    assert np.isnan(found[[2, 5]]).all()
    assert np.isfinite(np.delete(found, [2, 5], axis=0)).all()
    assert isinstance(fit_trees(SPEC, inputs, labels, 2, seed=0), Abstainer)
    assert logits(fitted, inputs[:0]).shape == (0, 2)


def test_images_are_read_as_rows() -> None:
    inputs, labels = data(80)
    as_rows = fit_trees(SPEC, inputs, labels, 2, seed=0)
    as_images = fit_trees(SPEC, inputs.reshape(80, 1, 2, 3), labels, 2, seed=0)
    assert as_rows.content == as_images.content  # type: ignore[union-attr]
    np.testing.assert_array_equal(logits(as_rows, inputs), logits(as_images, inputs.reshape(80, 1, 2, 3)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("rounds", 0), ("depth", 0), ("learning_rate", 0), ("learning_rate", float("nan")), ("subsample", 1.5),
     ("colsample", 0), ("min_child_weight", -1), ("reg_lambda", float("inf"))],
)  # fmt: skip
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        TreesSpec(**{name: value})  # type: ignore[arg-type]


def test_an_error_about_records_names_none(fitted: Trees) -> None:
    inputs, labels = data(5)
    with pytest.raises(InputError, match=r"labels in 0\.\.1; check") as caught:
        fit_trees(SPEC, inputs, np.array([0, 1, 77, 0, 1]), 2, seed=0)
    assert "77" not in str(caught.value)
    with pytest.raises(InputError, match="one label per record"):
        fit_trees(SPEC, inputs[:0], labels[:0], 2, seed=0)
    with pytest.raises(InputError, match="6 numbers"):
        fitted(torch.zeros(2, 5))


def graft(model: dict) -> None:
    """Two stumps, the second of whose leaves hang on the first's root, which itself has lost its own to the second."""
    fields = {"base_weights": 0.1, "loss_changes": 0.0, "split_conditions": 0.1, "sum_hessian": 1.0}
    for number, (left, right, parents) in enumerate(
        [([4, -1, -1], [5, -1, -1], [2**31 - 1, 3, 3]), ([-2, -1, -1], [-1, -1, -1], [2**31 - 1, -3, -3])]
    ):
        model["trees"][number] |= {
            **{name: [value] * 3 for name, value in fields.items()},
            **{name: [0] * 3 for name in ("default_left", "split_indices", "split_type")},
            "left_children": left, "right_children": right, "parents": parents,
        }  # fmt: skip
        model["trees"][number]["tree_param"]["num_nodes"] = "3"


def changed(content: bytes, change: str) -> bytes:
    """The text with one number or name made wrong; what the library would follow, or take for something else."""
    document = json.loads(content)
    learner = document["learner"]
    model = learner["gradient_booster"]["model"]
    tree = next(tree for tree in model["trees"] if len(tree["left_children"]) > 3)
    exec(change, {"document": document, "learner": learner, "model": model, "tree": tree, "graft": graft})
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "change",
    [
        "tree['left_children'][0] = 10**6",
        "tree['left_children'][0] = 0",
        "tree['left_children'][0] = -2",
        "tree['left_children'][0] = True",
        "tree['left_children'][3] = tree['right_children'][3] = 2**64 - 1",
        "tree['parents'][1] = -1",
        "graft(model)",
        "tree['left_children'][0] = 10**30",
        "tree['left_children'][0], tree['right_children'][0] = 2, 2",
        "tree['right_children'][0] = -1",
        "tree['parents'][1] = 2",
        "tree['split_indices'][0] = 6",
        "tree['split_indices'][0] = -1",
        "tree['split_type'][0] = 1",
        "tree['split_conditions'][1] = float('1e308')",
        "tree['split_conditions'].append(0.5)",
        "tree['sum_hessian'] = '0000000'",
        "tree['categories'].append(1)",
        "tree['tree_param']['num_nodes'] = '9999'",
        "tree['id'] = 4000",
        "model['trees'].pop()",
        "model['trees'] = {}",
        "model['tree_info'][0] = 1",
        "model['iteration_indptr'][-1] = 10**6",
        "model['gbtree_model_param']['num_trees'] = '1'",
        "model['cats']['enc'] = [1]",
        "learner['learner_model_param']['num_feature'] = '7'",
        "learner['learner_model_param']['num_class'] = '3'",
        "learner['learner_model_param']['base_score'] = '[0,NaN]'",
        "learner['learner_model_param']['base_score'] = '[0]'",
        "learner['objective']['name'] = 'reg:squarederror'",
        "learner['gradient_booster']['name'] = 'dart'",
        "learner['attributes']['best_iteration'] = '0'",
        "learner['feature_names'] = ['a']",
        "del learner['objective']",
        "document['learner'] = []",
    ],
)
def test_foreign_trees_are_refused_before_the_library_sees_them(fitted: Trees, change: str) -> None:
    with pytest.raises(InputError, match="train again"):
        check_trees(changed(fitted.content, change), 6, 2)


def test_trees_that_were_only_written_anew_are_read(fitted: Trees) -> None:
    inputs, _ = data(30)
    np.testing.assert_array_equal(logits(Trees(changed(fitted.content, "pass"), 6, 2), inputs), logits(fitted, inputs))


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04K\x01.", b"{", b"[" * 100_000, b'{"a": 1, "a": 2}', b'{"a": NaN}', b"\xff\xfe", b"{L\x00"],
)
def test_what_can_be_read_in_two_ways_or_none_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="JSON"):
        read_json(content)


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, 10**6), value=st.integers(0, 255))
def test_one_altered_byte_is_refused_or_gives_trees(fitted: Trees, position: int, value: int) -> None:
    content = bytearray(fitted.content)
    content[position % len(content)] = value
    try:
        trees = Trees(bytes(content), 6, 2)
    except InputError:
        return
    assert logits(trees, data(5)[0]).shape == (5, 2)


def test_the_check_is_needed(fitted: Trees, tmp_path) -> None:
    """The library itself takes a child that is outside its tree, or dies of an empty file."""
    bad = changed(fitted.content, "tree['left_children'][0] = 10**9")
    (tmp_path / "bad.json").write_bytes(bad)
    script = (
        "import sys, numpy, xgboost; b = xgboost.Booster({'nthread': 1});"
        "b.load_model(bytearray(open(sys.argv[1], 'rb').read())); print('taken', flush=True);"
        "b.predict(xgboost.DMatrix(numpy.zeros((3, 6), dtype='f4'), nthread=1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "bad.json")], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "taken"
    assert done.returncode < 0, "killed by a signal"


def test_a_copy_computes_the_same(fitted: Trees) -> None:
    inputs, _ = data(10)
    np.testing.assert_array_equal(logits(copy.deepcopy(fitted), inputs), logits(fitted, inputs))


def test_the_largest_number_of_single_precision_is_a_number_like_any_other() -> None:
    """Often a mark for what is missing; the library writes it rounded up."""
    inputs = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    inputs[3, 0] = np.finfo(np.float32).max
    trees = fit_trees(TreesSpec(rounds=5), inputs, np.arange(40) % 2, 2, seed=0)
    assert isinstance(trees, Trees)
    assert isinstance(unpack_trees(pack_trees([trees], [0]), (2,), 2)[0], Trees)
