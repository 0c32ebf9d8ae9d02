"""Noise, mechanisms and the door (``pate.aggregation.release``). Imports neither torch, Ray nor MLflow."""

from pate.aggregation.counts import NOT_ASKED
from pate.aggregation.mechanisms import REFUSED, ConfidentGNMax, GNMax, LNMax, NoisyMax, campaign_event
from pate.aggregation.noise import ExactNoise, InsecureSeededNoise, NoiseSource
from pate.aggregation.release import Answers, require_affordable

__all__ = [
    "NOT_ASKED",
    "REFUSED",
    "Answers",
    "ConfidentGNMax",
    "ExactNoise",
    "GNMax",
    "InsecureSeededNoise",
    "LNMax",
    "NoiseSource",
    "NoisyMax",
    "campaign_event",
    "require_affordable",
]
