"""Costs of a protocol against counts by hand."""

import dataclasses

import pytest

from rsd_mri.experiment.cost import SUSTAINED, plan
from rsd_mri.protocol import NetworkSettings, Protocol, build, load_protocol, protocol_names

NOISE = {"corruption": {"kind": "noise"}, "network": {"field": "real", "channels": 8, "multipliers": [1]}}


def small(side=16, **network):
    values = {**NOISE, "data": {"matrix": side}, "network": {**NOISE["network"], **network}}
    return build(Protocol, values, "test")


def test_operations_are_those_of_the_convolutions():
    """First and last convolution, and two or three blocks of known widths; the embedding is small."""
    by_hand = 0
    for inputs, outputs, skip in ((8, 8, 0), (8, 8, 0), (16, 8, 1), (16, 8, 1)):
        by_hand += 9 * inputs * outputs + 9 * outputs**2 + skip * inputs * outputs
    by_hand += 9 * 3 * 8 + 9 * 8 * 3
    assert plan(small()).flops == pytest.approx(2 * by_hand * 16**2, rel=0.03)


def test_costs_follow_the_images():
    one, four = plan(small(16)), plan(small(32))
    assert four.parameters == one.parameters
    assert four.activation_bytes == pytest.approx(4 * one.activation_bytes, rel=0.05)
    longer = dataclasses.replace(small(), teacher=dataclasses.replace(small().teacher, images=2_000_000))
    assert plan(longer).hours["teacher"] == pytest.approx(2_000_000 * 3 * one.flops / SUSTAINED / 3600)


def test_distillation_holds_two_trained_networks_and_a_frozen_one():
    found = plan(small())
    assert found.weight_bytes == {"teacher": 20 * found.parameters, "distillation": 40 * found.parameters}
    assert found.memory("teacher") == found.weight_bytes["teacher"] + 16 * found.activation_bytes


def test_published_sizes():
    """The published CIFAR-10 network has 55.7 million parameters; ours has its widths and depth."""
    assert plan(load_protocol("noise-0.2-cifar10")).parameters == pytest.approx(55.7e6, rel=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("name", protocol_names())
def test_every_protocol_can_be_planned(name):
    protocol = load_protocol(name)
    found = plan(protocol)
    assert found.flops > 0 and found.activation_bytes > 0 and len(found.lines()) == 3
    assert isinstance(protocol.network, NetworkSettings)
