"""Votes of teachers on public inputs: one per teacher and query, or an abstention."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from pate.errors import expected
from pate.models.training import FloatArray, as_inputs
from pate.teachers.kinds import TeacherSpec, read_teachers
from pate.teachers.weights import BundleWeights
from pate.votes import ABSTAIN, VoteArray, as_votes, narrowest


def vote(
    weights: BundleWeights,
    inputs: FloatArray,
    *,
    model: TeacherSpec,
    classes: int,
    batch_size: int = 1024,
    device: str | torch.device = "cpu",
) -> VoteArray:
    """The votes of a bundle of teachers. Private.

    Each teacher is asked alone: its votes follow from its own weights and the public inputs, regardless of their
    memory alignment.

    Args:
        weights: from ``pate.teachers.training.train_bundle``.
        inputs: public inputs ``[Q, *shape]``.
        model: of the teachers.
        classes: C.
        batch_size: queries per forward pass; changes speed, memory and rounding only.
        device: where to compute.

    Returns:
        ``labels_TQ`` in the order of the bundle: a class in ``0..C-1``, or -1 (abstain) where a logit is not
        finite.

    Raises:
        InputError: inputs or weights do not belong to this architecture.
    """
    inputs_Q = as_inputs(inputs)
    if batch_size < 1 or classes > np.iinfo(np.int16).max:
        raise expected("batch_size >= 1 and classes < 32768", "correct them", batch_size=batch_size, classes=classes)
    networks = read_teachers(model, weights, tuple(inputs_Q.shape[1:]), classes)
    return np.stack([_votes(network, inputs_Q, classes, batch_size, device) for network in networks.values()])


@torch.inference_mode()
def _votes(
    network: nn.Module, inputs_Q: torch.Tensor, classes: int, batch_size: int, device: str | torch.device
) -> VoteArray:
    network.to(device)
    votes = [
        votes_of_logits(
            _logits(network, batch.to(device, copy=True), classes), classes
        )  # rounding depends on alignment
        for batch in inputs_Q.split(batch_size)  # type: ignore[no-untyped-call]
    ]
    return np.concatenate(votes) if votes else np.zeros(0, dtype=narrowest(classes))


def _logits(network: nn.Module, batch: torch.Tensor, classes: int) -> FloatArray:
    """Logits ``[B, C]``."""
    logits: FloatArray = network(batch).cpu().numpy()
    if logits.shape != (len(batch), classes):
        raise expected(f"{classes} scores for each input from a teacher", "correct its model", shape=logits.shape)
    return logits


def votes_of_logits(logits_QC: FloatArray, classes: int) -> VoteArray:
    """Return the class of the largest logit, ties to the lowest; -1 where a logit is not finite or the class is not
    in ``0..C-1``.
    """
    finite_Q = np.isfinite(logits_QC).all(axis=1)
    return as_votes(np.where(finite_Q, logits_QC.argmax(axis=1), ABSTAIN), classes)
