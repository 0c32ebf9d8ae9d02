"""The exact law of noisy argmax against 30-digit references, and neighbours against their own histograms."""

import itertools
import json
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pate.accounting.laws.argmax import law_tables, output_laws
from pate.accounting.laws.noise import FAMILIES, NoiseLaw
from pate.errors import InputError

RECORDS = json.loads((Path(__file__).parents[3] / "golden" / "noisy_argmax_exact.json").read_text())["records"]
HISTOGRAMS = st.integers(2, 6).flatmap(lambda c: st.lists(st.integers(0, 60), min_size=c, max_size=c))


def noise_of(record: dict) -> NoiseLaw:
    family = "gaussian" if record["noise"] == "gaussian" else "discrete-gaussian"
    return NoiseLaw(family=family, scale=float(record["sigma"]))


def reference_law(counts: list[int], family: str, scale: float) -> list[mp.mpf]:
    """The defining sum or integral with 40 digits, over a range far beyond what matters."""
    with mp.workdps(40):
        b = mp.mpf(scale)
        if family == "gaussian":  # the trapezoidal rule converges faster than any power of the step
            step, width = b / 12, 14 * scale
            points = [
                min(counts) - width + i * step for i in range(int((max(counts) - min(counts) + 2 * width) / step))
            ]
            return [
                step
                * mp.fsum(
                    mp.npdf(x, n, b) * mp.fprod(mp.ncdf(x, m, b) for k, m in enumerate(counts) if k != j)
                    for x in points
                )
                for j, n in enumerate(counts)
            ]
        if family == "laplace":
            pieces = sorted({min(counts) - 80 * scale, max(counts) + 80 * scale, *map(float, counts)})
            cuts = [lo + (hi - lo) * i / 8 for lo, hi in itertools.pairwise(pieces) for i in range(8)] + [pieces[-1]]

            def cdf(z: mp.mpf) -> mp.mpf:
                return mp.exp(z / b) / 2 if z < 0 else 1 - mp.exp(-z / b) / 2

            def integrand(x: mp.mpf, j: int) -> mp.mpf:
                rivals = mp.fprod(cdf(x - n) for k, n in enumerate(counts) if k != j)
                return mp.exp(-abs(x - counts[j]) / b) / (2 * b) * rivals

            return [mp.quad(lambda x, j=j: integrand(x, j), cuts, maxdegree=5) for j in range(len(counts))]
        mass = (lambda z: mp.exp(-mp.mpf(z * z) / (2 * b * b))) if family == "discrete-gaussian" else None
        mass = mass or (lambda z: mp.exp(-abs(z) / b))
        reach = int((16 if family == "discrete-gaussian" else 90) * scale) + max(counts) + 2
        f = {z: mass(z) for z in range(-2 * reach, 2 * reach + 1)}
        total = mp.fsum(f.values())
        f = {z: value / total for z, value in f.items()}
        cumulative, below = {}, mp.mpf(0)
        for z in sorted(f):
            below += f[z]
            cumulative[z] = below
        return [
            mp.fsum(
                f[x - n]
                * mp.fprod(cumulative[x - 1 - m] for m in counts[:j])
                * mp.fprod(cumulative[x - m] for m in counts[j + 1 :])
                for x in range(-reach + max(counts), reach)
            )
            for j, n in enumerate(counts)
        ]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: f"{r['noise'][:8]}-{r['counts']}-{r['sigma']}")
def test_law_matches_reference(record: dict) -> None:
    law = np.exp(output_laws(np.array([record["counts"]]), noise_of(record))[0])
    np.testing.assert_allclose(law, [float(p) for p in record["law"]], rtol=1e-13)


@pytest.mark.parametrize(
    ("counts", "family", "scale"),
    [
        ([70, 0, 3], "discrete-gaussian", 3.0),  # down to 1e-60
        ([250, 0], "discrete-gaussian", 12.0),
        ([40, 38, 2, 0, 0], "discrete-gaussian", 4.0),
        ([12, 0], "discrete-gaussian", 0.6),
        ([0, 90, 90], "discrete-gaussian", 6.5),
        ([260, 30, 10], "discrete-laplace", 2.0),  # down to 1e-54
        ([30, 10, 10, 0], "discrete-laplace", 5.0),
        ([9, 9, 0], "discrete-laplace", 0.5),
        ([70, 0, 3], "gaussian", 3.0),
        ([250, 0], "gaussian", 12.0),
        ([4, 0, 1], "gaussian", 0.3),
    ],
)
def test_law_keeps_nine_digits_in_the_tails(counts: list[int], family: str, scale: float) -> None:
    log_p = output_laws(np.array([counts]), NoiseLaw(family=family, scale=scale))[0]  # type: ignore[arg-type]
    expected = [float(mp.log(p)) for p in reference_law(counts, family, scale)]
    np.testing.assert_allclose(log_p, expected, rtol=1e-14, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(("counts", "scale"), [([60, 10, 0], 2.0), ([10, 9, 9], 5.0), ([3, 0, 7], 20.0), ([5, 0], 0.7)])
def test_continuous_laplace_law_matches_quadrature(counts: list[int], scale: float) -> None:
    log_p = output_laws(np.array([counts]), NoiseLaw(family="laplace", scale=scale))[0]
    expected = [float(mp.log(p)) for p in reference_law(counts, "laplace", scale)]
    np.testing.assert_allclose(log_p, expected, rtol=1e-12, atol=1e-10)


def test_two_laplace_counts_follow_the_closed_form() -> None:
    gap, scale = 30, 4.0
    log_p = output_laws(np.array([[gap, 0]]), NoiseLaw(family="laplace", scale=scale))[0]
    assert np.exp(log_p[1]) == pytest.approx((2 + gap / scale) / (4 * np.exp(gap / scale)), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(counts=HISTOGRAMS, scale=st.floats(0.4, 90), family=st.sampled_from(FAMILIES))
def test_probabilities_sum_to_one_before_normalisation(counts: list[int], scale: float, family: str) -> None:
    terms = law_tables(np.array([counts]), NoiseLaw(family=family, scale=scale)).terms  # type: ignore[arg-type]
    assert np.exp(terms.sums()).sum() == pytest.approx(1.0, abs=2e-12)


@settings(max_examples=60, deadline=None)
@given(counts=HISTOGRAMS, scale=st.floats(0.4, 90), family=st.sampled_from(FAMILIES))
def test_the_law_of_a_neighbour_is_the_law_of_its_histogram(counts: list[int], scale: float, family: str) -> None:
    noise, classes = NoiseLaw(family=family, scale=scale), len(counts)  # type: ignore[arg-type]
    moves = [(a, b) for a in range(classes + 1) for b in range(classes + 1) if a != b and (a == classes or counts[a])]
    a, b = np.array(moves).T
    log_q = law_tables(np.array([counts]), noise).neighbour_laws(a[None], b[None])[0]
    unit = np.eye(classes + 1, dtype=int)[:, :classes]
    direct = output_laws(np.array(counts) - unit[a] + unit[b], noise)
    np.testing.assert_allclose(log_q, direct, rtol=1e-12, atol=1e-11)


def test_single_vote_laws_are_neighbour_laws_with_an_abstention() -> None:
    tables = law_tables(np.array([[9, 4, 4, 1], [3, 3, 3, 3]]), NoiseLaw(family="discrete-gaussian", scale=2.0))
    less, more = tables.single_vote_laws()
    each, nobody = np.tile(np.arange(4), (2, 1)), np.full((2, 4), 4)
    np.testing.assert_allclose(less, tables.neighbour_laws(each, nobody), rtol=1e-13)
    np.testing.assert_allclose(more, tables.neighbour_laws(nobody, each), rtol=1e-13)


def test_log_space_sums_agree_with_matrix_products_where_both_work(monkeypatch: pytest.MonkeyPatch) -> None:
    noise, counts = NoiseLaw(family="discrete-gaussian", scale=3.0), np.array([[20, 13, 5, 0]])
    a, b = np.array([[0, 1, 2, 4, 0]]), np.array([[1, 0, 3, 3, 4]])
    by_product = law_tables(counts, noise).neighbour_laws(a, b)
    monkeypatch.setattr("pate.accounting.laws.argmax._SAFE_EXPONENT", -1.0)
    tables = law_tables(counts, noise)
    assert tables.in_logs
    np.testing.assert_allclose(tables.neighbour_laws(a, b), by_product, rtol=1e-13)


def test_small_noise_and_large_gaps_stay_finite() -> None:
    tables = law_tables(np.array([[1500, 0, 700]]), NoiseLaw(family="discrete-gaussian", scale=1.2))
    assert tables.in_logs
    log_q = tables.neighbour_laws(np.array([[0, 2]]), np.array([[1, 1]]))
    assert np.isfinite(log_q).all()
    direct = output_laws(np.array([[1499, 1, 700], [1500, 1, 699]]), NoiseLaw(family="discrete-gaussian", scale=1.2))
    np.testing.assert_allclose(log_q[0], direct, rtol=1e-11)


def test_ties_go_to_the_lowest_index() -> None:
    law = np.exp(output_laws(np.array([[5, 5, 5]]), NoiseLaw(family="discrete-gaussian", scale=1.0))[0])
    assert law[0] > law[1] > law[2]
    smooth = np.exp(output_laws(np.array([[5, 5, 5]]), NoiseLaw(family="gaussian", scale=1.0))[0])
    np.testing.assert_allclose(smooth, 1 / 3, rtol=1e-13)


@settings(max_examples=30, deadline=None)
@given(counts=HISTOGRAMS, scale=st.floats(0.4, 60), data=st.data())
def test_continuous_noise_does_not_know_the_order_of_classes(
    counts: list[int], scale: float, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(counts))))
    log_p = output_laws(np.array([counts, [counts[i] for i in order]]), NoiseLaw(family="gaussian", scale=scale))
    np.testing.assert_allclose(log_p[1], log_p[0][list(order)], rtol=1e-11, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(counts=HISTOGRAMS, shift=st.integers(1, 50))
def test_adding_the_same_votes_to_every_class_changes_nothing(counts: list[int], shift: int) -> None:
    noise = NoiseLaw(family="discrete-gaussian", scale=3.3)
    both = output_laws(np.array([counts, [n + shift for n in counts]]), noise)
    np.testing.assert_allclose(both[0], both[1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("family", "scale"), [("gaussian", 0.0), ("gaussian", float("nan")), ("cauchy", 1.0)])
def test_meaningless_noise_is_refused(family: str, scale: float) -> None:
    with pytest.raises(InputError):
        NoiseLaw(family=family, scale=scale)  # type: ignore[arg-type]
