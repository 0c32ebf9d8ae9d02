"""The bounds of Papernot et al. (2018) against values computed with the authors' published formulas."""

import json
from pathlib import Path

import numpy as np
import pytest

from pate.accounting.data_dependent import papernot18

GOLDEN = json.loads((Path(__file__).parents[3] / "golden" / "papernot18.json").read_text())
ORDERS = np.array(GOLDEN["orders"])


@pytest.mark.parametrize("row", GOLDEN["gnmax"], ids=lambda r: f"{r['counts'][:3]}-{r['sigma']}")
def test_gnmax_matches_reference(row: dict) -> None:
    log_q = papernot18.log_q_gnmax(np.array([row["counts"]]), row["sigma"])
    assert log_q[0] == pytest.approx(row["logq"], rel=1e-10)
    np.testing.assert_allclose(papernot18.gnmax_rdp(log_q, row["sigma"], ORDERS)[0], row["rdp"], rtol=1e-8, atol=1e-300)


@pytest.mark.parametrize("row", GOLDEN["threshold"], ids=lambda r: f"{r['counts'][:3]}-{r['sigma']}")
def test_threshold_matches_reference(row: dict) -> None:
    log_p = papernot18.log_answered(np.array([row["counts"]]), row["T"], row["sigma"])
    assert log_p[0] == pytest.approx(row["logpr"], rel=1e-10, abs=1e-300)
    rdp = papernot18.threshold_rdp(log_p, row["sigma"], ORDERS)[0]
    np.testing.assert_allclose(rdp, row["rdp"], rtol=1e-8, atol=1e-300)


@pytest.mark.parametrize("row", GOLDEN["lnmax"], ids=lambda r: f"{r['counts'][:3]}-{r['lmbd']}")
def test_lnmax_matches_reference(row: dict) -> None:
    log_q = papernot18.log_q_lnmax(np.array([row["counts"]]), row["lmbd"])
    assert log_q[0] == pytest.approx(row["logq"], rel=1e-10)
    np.testing.assert_allclose(papernot18.lnmax_rdp(log_q, row["lmbd"], ORDERS)[0], row["rdp"], rtol=1e-8)


def test_a_batch_equals_its_queries_one_by_one() -> None:
    counts = np.array([[200, 30, 20], [83, 84, 83], [250, 0, 0], [0, 249, 1]])
    log_q = papernot18.log_q_gnmax(counts, 40.0)
    together = papernot18.gnmax_rdp(log_q, 40.0, ORDERS)
    for i, row in enumerate(counts):
        alone = papernot18.gnmax_rdp(papernot18.log_q_gnmax(row[None], 40.0), 40.0, ORDERS)[0]
        np.testing.assert_array_equal(together[i], alone)


def test_a_certain_answer_costs_nothing_and_a_tie_costs_the_plain_bound() -> None:
    rdp = papernot18.gnmax_rdp(np.array([-np.inf, np.log(0.5)]), 40.0, ORDERS)
    np.testing.assert_array_equal(rdp[0], 0.0)
    np.testing.assert_allclose(rdp[1], ORDERS / 1600)


def test_order_of_classes_does_not_matter() -> None:
    rng = np.random.default_rng(7)
    counts = rng.multinomial(250, [0.8, 0.1, 0.06, 0.04], size=20)
    shuffled = rng.permuted(counts, axis=1)
    for log_q in (papernot18.log_q_gnmax, papernot18.log_q_lnmax):
        np.testing.assert_allclose(log_q(counts, 20.0), log_q(shuffled, 20.0), rtol=1e-12)


def test_confident_expected_cost_lies_between_the_test_alone_and_test_plus_answer() -> None:
    counts = np.array([[150, 90, 10], [240, 5, 5]])
    cost = papernot18.confident_gnmax_expected_rdp(
        counts, threshold=200.0, sigma_threshold=150.0, sigma=40.0, orders_A=ORDERS
    )
    log_p = papernot18.log_answered(counts, 200.0, 150.0)
    test = papernot18.threshold_rdp(log_p, 150.0, ORDERS)
    answer = papernot18.gnmax_rdp(papernot18.log_q_gnmax(counts, 40.0), 40.0, ORDERS)
    assert (cost >= test).all()
    assert (cost <= test + answer).all()
    np.testing.assert_allclose(cost, test + np.exp(log_p)[:, None] * answer)
