"""Noise, mechanisms and the door. Imports neither torch, Ray nor MLflow."""

from pate.aggregation.mechanisms import REFUSED, ConfidentGNMax, GNMax, LNMax, NoisyMax
from pate.aggregation.noise import ExactNoise, InsecureSeededNoise, NoiseSource
from pate.aggregation.release import NOT_ASKED, Answers, release, require_affordable
from pate.aggregation.sanitised import whole_event

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
    "release",
    "require_affordable",
    "whole_event",
]
