"""The moving average is the recursion it says it is."""

import torch
from torch import nn

from pate.student.ema import MovingAverage


def test_it_equals_the_recursion_written_out() -> None:
    network = nn.Linear(2, 2)
    average = MovingAverage(network, decay=0.5)
    by_hand = network.weight.detach().clone()
    for update in range(1, 12):
        with torch.no_grad():
            network.weight.add_(update * 0.1)
        average.update(network)
        decay = min(0.5, (1 + update) / (10 + update))
        by_hand = decay * by_hand + (1 - decay) * network.weight.detach()
    torch.testing.assert_close(average.network.weight, by_hand)


def test_without_decay_it_follows_exactly() -> None:
    network = nn.Linear(2, 2)
    average = MovingAverage(network, decay=0.0)
    with torch.no_grad():
        network.weight.add_(1.0)
    average.update(network)
    assert torch.equal(average.network.weight, network.weight)


def test_buffers_are_copied_and_the_network_is_left_alone() -> None:
    network = nn.BatchNorm1d(2)
    average = MovingAverage(network, decay=0.9)
    network(torch.randn(4, 2))
    before = network.weight.detach().clone()
    average.update(network)
    assert torch.equal(average.network.running_mean, network.running_mean)
    assert torch.equal(network.weight, before)
    assert network.weight.requires_grad
    assert not average.network.weight.requires_grad
