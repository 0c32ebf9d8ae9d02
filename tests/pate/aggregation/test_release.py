"""The door: charged first, persisted before shown, once for each input, and nothing but the noisy argmax."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pate.accounting.events import SanitisedReleaseEvent
from pate.aggregation import (
    NOT_ASKED,
    REFUSED,
    ConfidentGNMax,
    ExactNoise,
    GNMax,
    InsecureSeededNoise,
    LNMax,
    NoisyMax,
)
from pate.aggregation.release import _campaign_id, release
from pate.errors import BudgetExceeded, InputError, PrivacyViolation
from pate.ledger import Account, PrivacyLedger
from pate.values import Released
from pate.votes import VoteHistogram

MECHANISMS: list[NoisyMax] = [
    GNMax(sigma=5.0),
    LNMax(scale=5.0),
    ConfidentGNMax(threshold=60, sigma_threshold=10.0, sigma=5.0, max_answered=12),
]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[PrivacyLedger]:
    with PrivacyLedger(tmp_path / "ledger") as opened:
        settings = {"epsilon": 1e4, "delta": 1e-5, "accountant": "gaussian", "unit": "patient"}
        opened.register(Account(name="ward", **settings))  # type: ignore[arg-type]
        opened.register(Account(name="poor", **{**settings, "epsilon": 0.1}))  # type: ignore[arg-type]
        yield opened


def histogram(queries: int, top: int = 100) -> VoteHistogram:
    counts = np.zeros((queries, 4), dtype=np.int64)
    counts[np.arange(queries), np.arange(queries) % 4] = top
    return VoteHistogram(counts_QC=counts, teachers=100)


def keys(queries: int, prefix: str = "q") -> list[bytes]:
    return [f"{prefix}{i}".encode() for i in range(queries)]


def ask(ledger: PrivacyLedger, mechanism: NoisyMax, queries: int, **changes: object) -> Released:
    settings = {
        "account": "ward",
        "task": "t",
        "mechanism": mechanism,
        "votes": histogram(queries),
        "query_keys": keys(queries),
        "noise": ExactNoise(),
        "moved_votes": 1,
        "batch_size": 7,
    }
    return release(ledger, **{**settings, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: type(m).__name__)
def test_a_clear_majority_wins_and_the_charge_is_the_mechanisms_worst_case(ledger, mechanism: NoisyMax) -> None:
    answers = ask(ledger, mechanism, 12).value
    assert answers.labels_Q.tolist() == [i % 4 for i in range(12)]
    assert answers.event == mechanism.worst_case_event(queries=12, moved_votes=1)
    assert answers.total == ledger.spent("ward")
    assert answers.secure


def test_confident_gnmax_stops_at_max_answered_and_leaves_the_rest_unasked(ledger) -> None:
    mechanism = ConfidentGNMax(threshold=60, sigma_threshold=5.0, sigma=5.0, max_answered=9)
    answers = ask(ledger, mechanism, 30).value
    assert answers.answered == 9
    assert (answers.labels_Q[9:] == NOT_ASKED).all()


def test_confident_gnmax_refuses_without_a_majority(ledger) -> None:
    mechanism = ConfidentGNMax(threshold=60, sigma_threshold=5.0, sigma=5.0, max_answered=9)
    answers = ask(ledger, mechanism, 10, votes=histogram(10, top=20)).value
    assert answers.labels_Q.tolist() == [REFUSED] * 10
    assert (answers.asked, answers.answered, answers.refused) == (10, 0, 10)


def test_refusals_are_charged(ledger) -> None:
    mechanism = ConfidentGNMax(threshold=90, sigma_threshold=5.0, sigma=5.0, max_answered=9)
    ask(ledger, mechanism, 10, votes=histogram(10, top=20))
    assert ledger.spent("ward").epsilon > 0


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: type(m).__name__)
def test_1000_repeats_of_an_input_are_one_charge_and_one_label(ledger, mechanism: NoisyMax) -> None:
    noisy = histogram(1, top=1)
    first = ask(ledger, mechanism, 1, votes=noisy).value
    spent = ledger.spent("ward").epsilon
    for repeat in range(999):
        other = ask(ledger, GNMax(sigma=1.0 + repeat % 3), 1, votes=noisy).value
        assert other.labels_Q.tolist() == first.labels_Q.tolist()
    assert ledger.spent("ward").epsilon == spent


def test_an_input_twice_in_one_list_is_one_query(ledger) -> None:
    answers = ask(ledger, GNMax(sigma=50.0), 6, query_keys=[b"a", b"b", b"a", b"a", b"b", b"c"]).value
    assert len({answers.labels_Q[i] for i in (0, 2, 3)}) == 1
    assert answers.event == GNMax(sigma=50.0).worst_case_event(queries=3, moved_votes=1)


def test_only_new_inputs_of_an_overlapping_list_are_charged(ledger) -> None:
    ask(ledger, GNMax(sigma=5.0), 6)
    answers = ask(ledger, GNMax(sigma=5.0), 10).value
    assert answers.event == GNMax(sigma=5.0).worst_case_event(queries=4, moved_votes=1)


def test_another_task_is_charged_on_its_own(ledger) -> None:
    ask(ledger, GNMax(sigma=5.0), 6)
    one = ledger.spent("ward").epsilon
    ask(ledger, GNMax(sigma=5.0), 6, task="other")
    assert ledger.spent("ward").epsilon > one


def test_a_campaign_beyond_the_budget_draws_and_stores_nothing(ledger) -> None:
    class Forbidden:
        secure = True

        def gaussian(self, sigma: float, size: int) -> np.ndarray:
            raise AssertionError("noise was drawn")

        laplace = gaussian

    with pytest.raises(BudgetExceeded):
        ask(ledger, GNMax(sigma=1.0), 50, account="poor", noise=Forbidden())
    assert ledger.spent("poor").epsilon == 0
    assert ledger.stored_answers("poor", "t", ledger.key.queries(keys(50))) == [None] * 50


def test_an_interrupted_campaign_goes_on_under_the_same_charge(ledger) -> None:
    """The power fails after the second batch: two batches are final, the rest is drawn again."""
    finished: list[int] = []

    def power_cut(queries: int) -> None:
        finished.append(queries)
        if len(finished) == 2:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        ask(ledger, GNMax(sigma=500.0), 30, on_progress=power_cut)
    charged = ledger.spent("ward").epsilon
    persisted = ledger.stored_answers("ward", "t", ledger.key.queries(keys(30)))
    assert [a is None for a in persisted] == [False] * 14 + [True] * 16
    answers = ask(ledger, GNMax(sigma=500.0), 30).value
    assert answers.labels_Q[:14].tolist() == persisted[:14]
    assert (answers.labels_Q >= 0).all()
    assert ledger.spent("ward").epsilon == charged
    ledger.verify()


def test_predictable_noise_is_marked_and_never_answers_a_real_query(ledger) -> None:
    seeded = ask(ledger, GNMax(sigma=500.0), 20, noise=InsecureSeededNoise(1)).value
    assert not seeded.secure
    real = ask(ledger, GNMax(sigma=500.0), 20).value
    assert real.secure
    assert real.event is not None


def test_the_same_predictable_noise_gives_the_same_answers_and_secure_noise_does_not(tmp_path: Path) -> None:
    def labels(name: str, noise) -> list[int]:
        with PrivacyLedger(tmp_path / name) as ledger:
            ledger.register(Account(name="ward", epsilon=1e4, delta=1e-5, accountant="gaussian", unit="patient"))
            found = ask(ledger, GNMax(sigma=500.0), 60, noise=noise).value.labels_Q.tolist()
        return found

    assert labels("a", InsecureSeededNoise(3)) == labels("b", InsecureSeededNoise(3))
    assert labels("c", ExactNoise()) != labels("d", ExactNoise())  # equal with probability below 4^-60 * 60


def test_votes_for_another_list_are_refused(ledger) -> None:
    with pytest.raises(InputError, match="votes for every query"):
        ask(ledger, GNMax(sigma=5.0), 6, votes=histogram(5))


def test_a_near_duplicate_is_a_new_query_and_is_charged(ledger) -> None:
    ask(ledger, GNMax(sigma=5.0), 1, query_keys=[b"0.500"])
    one = ledger.spent("ward").epsilon
    ask(ledger, GNMax(sigma=5.0), 1, query_keys=[b"0.501"])
    assert ledger.spent("ward").epsilon > one


def test_a_source_that_calls_itself_secure_is_not_believed(ledger) -> None:
    class Boastful:
        secure = True

        def gaussian(self, sigma: float, size: int) -> np.ndarray:
            return np.zeros(size, dtype=np.int64)

        laplace = gaussian

    answers = ask(ledger, GNMax(sigma=500.0), 20, noise=Boastful()).value
    assert not answers.secure
    assert ask(ledger, GNMax(sigma=500.0), 20).value.event is not None, "they never answer a real query"


def test_predictable_answers_cannot_be_fetched_as_real_ones_under_their_own_name(ledger) -> None:
    ask(ledger, GNMax(sigma=500.0), 20, noise=InsecureSeededNoise(1))
    with pytest.raises(InputError, match="insecure:"):
        ask(ledger, GNMax(sigma=500.0), 20, task="insecure:t")


def test_names_that_run_together_are_different_campaigns(ledger) -> None:
    """Two accounts whose names and tasks join to the same text: each is charged for its own answers."""
    settings = {"epsilon": 1e4, "delta": 1e-5, "accountant": "gaussian", "unit": "patient"}
    for name in ("a", "a\0b"):
        ledger.register(Account(name=name, **settings))
    ask(ledger, GNMax(sigma=5.0), 6, account="a", task="b\0c")
    ask(ledger, GNMax(sigma=5.0), 6, account="a\0b", task="c")
    assert ledger.spent("a").epsilon == ledger.spent("a\0b").epsilon > 0


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_of_nothing_is_refused_before_the_charge(ledger, batch_size: int) -> None:
    with pytest.raises(InputError, match="batch_size"):
        ask(ledger, GNMax(sigma=5.0), 6, batch_size=batch_size)
    assert ledger.spent("ward").epsilon == 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda counts: counts,
        lambda counts: counts.max(axis=1),
        lambda counts: counts.argmax(axis=1).astype(np.float64),
        lambda counts: np.full(len(counts), -2),
        lambda counts: np.repeat(counts.argmax(axis=1), 2),
        lambda counts: counts.argmax(axis=1)[:0],
    ],
    ids=["histogram", "top count", "not an index", "not asked", "too many", "none"],
)
def test_only_class_indices_and_refusals_pass_the_door(ledger, wrong) -> None:
    class Talkative:
        def max_answers(self, queries: int) -> int:
            return queries

        def worst_case_event(self, *, queries: int, moved_votes: int):
            return GNMax(sigma=5.0).worst_case_event(queries=queries, moved_votes=moved_votes)

        def answer(self, counts_QC, noise, *, answers_left: int):
            return wrong(counts_QC)

    with pytest.raises(PrivacyViolation) as error:
        ask(ledger, Talkative(), 6)
    assert "100" not in str(error.value), "the error holds no count"
    assert ledger.stored_answers("ward", "t", ledger.key.queries(keys(6))) == [None] * 6


def test_another_process_in_between_neither_adds_an_answer_nor_an_error(ledger, tmp_path: Path) -> None:
    """While this process draws, another one answers the rest of the same campaign."""
    mechanism = ConfidentGNMax(threshold=60, sigma_threshold=5.0, sigma=5.0, max_answered=9)
    with PrivacyLedger(tmp_path / "ledger") as other:
        final: list[int] = []

        def interrupt(_: int) -> None:
            if not final:
                final.extend(ask(other, mechanism, 30).value.labels_Q.tolist())

        assert ask(ledger, mechanism, 30, batch_size=3, on_progress=interrupt).value.labels_Q.tolist() == final
        assert sum(label >= 0 for label in final) == 9
    ledger.verify()


def test_requests_keep_the_names_under_which_older_versions_charged_them() -> None:
    """Names made by the version before events were renamed: a campaign that it left open is resumed, not lost."""
    known = json.loads((Path(__file__).parents[2] / "golden" / "campaign_ids.json").read_text())
    estimate = SanitisedReleaseEvent(order=3.0, beta=0.1, sigma_ss=5.0, tau_s=30.0)
    mechanisms = {
        "gnmax": GNMax(sigma=8.0),
        "lnmax": LNMax(scale=20.0),
        "confident": ConfidentGNMax(threshold=25, sigma_threshold=3.0, sigma=8.0, max_answered=20),
    }
    found = {}
    for name, mechanism in mechanisms.items():
        for moved, noise, bought in itertools.product((1, 2), (ExactNoise(), InsecureSeededNoise(7)), (None, estimate)):
            what = "no estimate" if bought is None else "with an estimate"
            found[f"{name}, {moved} votes, {type(noise).__name__}, {what}"] = _campaign_id(
                "ward", "task", mechanism, [b"a" * 32, b"b" * 32], moved, noise, bought
            )
    assert found == known
