"""Fixed texts of the report, the same for every campaign."""

from __future__ import annotations

from functools import singledispatch

from pate.accounting import ACCOUNTANTS
from pate.accounting.data_independent.account_rule import EXCEEDED
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    SanitisedReleaseEvent,
    ThresholdTestEvent,
    kind_of,
)

TRUST = (
    "The operator of the Ray cluster and of the private folder sees the private records and votes, and is trusted "
    "with them (the central model). Everybody else, including readers of labels, student, tracker and this report, is "
    "trusted with nothing: the guarantee holds against them, whatever else they know."
)
NOISE = {
    True: "Integers from the exact samplers of OpenDP on the operating system's entropy; no floating-point number "
    "is involved between the entropy and an answer.",
    False: "Integers from a public seed. No guarantee.",
}
SCOPE = (
    "Everything that was ever charged to this account up to the release of this run's labels. Accounts that share a "
    "privacy unit are held to their budgets jointly; which accounts do follows from the records, so no number here "
    "shows it. "
)
FIXED = (
    "Costs are composed as a whole, which holds for one campaign and for campaigns that were fixed before the first "
    "answer; within a campaign each query may depend on earlier answers."
)
DECIDED_LATER = (
    "Later campaigns may have been chosen after earlier answers were seen, so costs add up under a privacy filter, "
    "whose limit was fixed with the budget. The budget holds whatever was chosen; the total shows how much of it has "
    "been used."
)
NOT_HELD = (
    "More was charged than the filter for campaigns chosen later allows: they were accepted before filters were in "
    "force, or by accounts later found to share units. The total is the sum of their costs; it was not enforced "
    "beforehand, and nothing more is accepted."
)
SCHEDULE = (
    "The list of queries was fixed before the first vote and is public.",
    "The full cost was charged before the first noise was drawn, and nothing is refunded.",
    "Each input is answered once; the stored answer is returned if it is asked again.",
    "Answers and refusals are released in batches. Vote counts and individual votes are never released.",
    "Only these labels, and what is computed from them and public data, are released: the student, its curves and "
    "this report, at no further cost.",
)
SIDE_CHANNELS = (
    "The duration of a batch, of training and of the run is not hidden.",
    "Running time of the noise samplers, processor caches, power, and memory of a shared machine are excluded: the "
    "operator's machine is trusted.",
    "The operator is responsible for encrypting swap, core dumps and backups of the private folders.",
)
OVERLAP = (
    "Ids that differ only in spelling are matched. Records of one person under several ids cannot be matched "
    "unless the records are identical; such a person is protected as a group of that many units."
)
NOT_COVERED = (
    "Facts about the population. If the student learns that smokers are ill more often, that applies to every "
    "smoker, whether or not their records were used.",
    "The correctness of the labels, and the fairness of the student towards groups of people.",
    "The public pool, the configuration, the names of classes, tasks and data, and the number of teachers: all public.",
    "The private records themselves while they are collected, stored and used: their protection is the operator's "
    "own security.",
    "Other releases from the same records that were made without this ledger.",
)
OWN_TEACHERS = (
    "Independence of teachers is its author's promise. pate checked that two calls with one seed give equal objects "
    "that share no memory, fitted copies of them alone, and checked on public inputs that a teacher is the same after "
    "others were fitted. It cannot check what else the code keeps, reads or draws."
)
GIVEN_VOTES = (
    "The guarantee rests on the operator's declaration of how many votes one privacy unit's records can change. pate "
    "has not seen the records that the votes were learned from, and cannot check it."
)
AUDIT_MEANING = (
    "The audit ran the real aggregator on synthetic neighbouring votes and computed a lower bound on epsilon from its "
    "answers. It tests the program with noise settings of its own, not this campaign. A lower bound above the claim "
    "would prove the program wrong; one below it proves nothing about other neighbours."
)
GLOSSARY = (
    (
        "Accountant",
        "the method that adds up the costs of releases. Every accountant named in this report gives upper bounds.",
    ),
    ("Budget", "the most epsilon that may ever be spent on these data; fixed when they were first registered."),
    (
        "Calibration",
        "agreement of stated confidence with accuracy: of predictions with confidence 80 %, 8 in 10 are correct.",
    ),
    ("Data-independent", "holds whatever the votes were, and so reveals nothing about them."),
    ("Delta (δ)", "the small probability that goes with an epsilon. See the curve of both."),
    ("Differential privacy", "a limit on how much one privacy unit's records can change what is published."),
    ("Epsilon (ε)", "the size of that limit, in natural logarithms of odds (nats). Smaller protects more."),
    ("Ledger", "the list of all charges, chained by hashes so that any change is detected."),
    ("Nat", "the unit of epsilon. One nat multiplies odds by at most 2.72."),
    ("Odds", "probability of yes divided by probability of no: 1 in 2 is odds of 1 to 1, 1 in 100 is 1 to 99."),
    ("Pool", "public inputs without labels; some of them are queries."),
    ("Privacy unit", "the records that are protected together, for example all records of one patient."),
    ("Rényi-DP", "the cost of a release at each order; the form in which costs are added."),
    ("Student", "the model that is published; it saw public inputs and released labels only."),
    ("Teacher", "a model trained on private records of its own; it casts one vote on each query."),
)


def neighbours(unit: str, *, ids: bool | None, within_site: bool) -> str:
    """The two data sets that the guarantee compares.

    Args:
        unit: the records that are protected together.
        ids: true if records carry the id of their unit; ``None``: some files may, others not.
        within_site: true if teachers are assigned site by site.
    """
    with_ids = (
        f"the records that carry the id of one {unit}, which are withdrawn, added or altered in any way"
        f"{' at the site that holds them' if within_site else ''}. Ids, records and teachers of everybody else stay as "
        f"they are. One {unit} in place of another, under another id,"
        f"{' or one who moves to another site,' if within_site else ''} is two such differences."
    )
    without = (
        "one record, which is altered in any way, emptied, or added at the end of its file. All other records keep "
        "their positions in their files."
    )
    if ids is None:
        return (
            f"Where records carry ids, two data sets are neighbours if they differ in {with_ids} Where they carry "
            f"none, they are neighbours if they differ in {without}"
        )
    return f"Two data sets are neighbours if they differ in {with_ids if ids else without}"


def composition(accountant: str) -> str:
    """Charges, and how costs add up by the rule that an account's total names."""
    if accountant in ACCOUNTANTS:
        return SCOPE + FIXED
    return SCOPE + (NOT_HELD if accountant.startswith(EXCEEDED) else DECIDED_LATER)


@singledispatch
def describe(event: PrivacyEvent) -> str:
    """An event in words, with its noise in votes."""
    raise TypeError(f"no words for {kind_of(event)}")


@describe.register
def _(event: GNMaxEvent | LNMaxEvent) -> str:
    return f"one question, answered by {_most_votes(event)}"


@describe.register
def _(event: ThresholdTestEvent) -> str:
    return (
        "one test for agreement: the largest count of votes, with random noise (standard deviation "
        f"{event.sigma:g} votes), against a threshold{_moved(event.moved_votes)}"
    )


@describe.register
def _(event: ConfidentGNMaxEvent) -> str:
    return (
        f"up to {event.max_asked} questions, each first tested for agreement: the largest count of votes, with random "
        f"noise (standard deviation {event.sigma_threshold:g} votes), must reach {event.threshold:g}; up to "
        f"{event.max_answered} of them answered by the class with most votes after random noise (standard deviation "
        f"{event.sigma:g} votes) was added to every count{_moved(event.moved_votes)}"
    )


@describe.register
def _(event: SanitisedReleaseEvent) -> str:
    return f"one sanitised estimate of the data-dependent cost, at Rényi order {event.order:g}"


@describe.register
def _(event: RepeatedEvent) -> str:
    if isinstance(event.event, GNMaxEvent | LNMaxEvent):
        return f"{event.count} questions, each answered by {_most_votes(event.event)}"
    return f"{event.count} times: {describe(event.event)}"


@describe.register
def _(event: ComposedEvent) -> str:
    return "; ".join(describe(part) for part in event.events) or "nothing"


def _most_votes(event: GNMaxEvent | LNMaxEvent) -> str:
    noise = (
        f"standard deviation {event.sigma:g} votes"
        if isinstance(event, GNMaxEvent)
        else f"Laplace, scale {event.scale:g} votes"
    )
    return f"the class with most votes after random noise ({noise}) was added to every count{_moved(event.moved_votes)}"


def _moved(votes: int) -> str:
    return "" if votes == 1 else f", one unit changes up to {votes} votes"
