"""Black-box audit of the aggregator on synthetic neighbours; it needs no data, and nothing in it is private."""

from pate.auditing.black_box import CONFIDENCE, DELTA, Finding, Subject, audit, pairs_for, through_the_door
from pate.auditing.hockey_stick import epsilon_of_pair
from pate.auditing.lower_bound import epsilon_at_least
from pate.auditing.neighbours import Neighbours, opposite_moves

__all__ = [
    "CONFIDENCE",
    "DELTA",
    "Finding",
    "Neighbours",
    "Subject",
    "audit",
    "epsilon_at_least",
    "epsilon_of_pair",
    "opposite_moves",
    "pairs_for",
    "through_the_door",
]
