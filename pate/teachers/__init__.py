"""Teachers: trained in bundles on private partitions, with one vote per public query."""

from pate.teachers.kinds import TeacherRecords, suffix_of
from pate.teachers.training import train_bundle
from pate.teachers.voting import vote
from pate.teachers.weights import BundleWeights

__all__ = ["BundleWeights", "TeacherRecords", "suffix_of", "train_bundle", "vote"]
