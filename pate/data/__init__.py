"""Sources of private and public data, and the partition of the private ones."""

from pate.data.embedded import digits_study
from pate.data.partition import Partition, partition
from pate.data.records import Benchmark, EvaluationSet, PrivateRecords, PublicPool, Study, input_keys

__all__ = [
    "Benchmark",
    "EvaluationSet",
    "Partition",
    "PrivateRecords",
    "PublicPool",
    "Study",
    "digits_study",
    "input_keys",
    "partition",
]
