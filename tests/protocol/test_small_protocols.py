"""Every protocol of an experiment: network and data fit; of the small ones a step of each stage goes through."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from rsd_mri.bench.experiments import EXPERIMENTS, MINI
from rsd_mri.corruption.build import image_corruption
from rsd_mri.diffusion.denoiser import Condition
from rsd_mri.experiment.runs import train_run
from rsd_mri.priors.prior import Inputs, build_denoiser
from rsd_mri.protocol import load_protocol, protocol_names
from rsd_mri.training.fabric import TrainOptions

SHORT = {
    "data.volumes": "2",
    "data.slices": "2",
    "teacher.images": "2",
    "teacher.batch": "2",
    "distillation.images": "2",
    "distillation.batch": "2",
    "monitor.cost": "0",
}
FITTING = set()
"""Networks with data that were found to fit: many protocols differ in neither."""
SMALL = [name for name in protocol_names() if name.startswith(MINI)]


def test_every_experiment_has_a_small_protocol():
    assert set(SMALL) == {one.protocols["mini"] for one in EXPERIMENTS}


@pytest.mark.parametrize("bench", EXPERIMENTS, ids=lambda one: one.about.name)
def test_small_protocol_matches_its_experiment(bench):
    """The same corruption as the whole experiment, at another size; MRI masks to the size of the scans."""
    small, whole = (load_protocol(bench.protocols[scale]) for scale in ("mini", "paper"))
    if small.corruption.kind == "undersampling":
        assert small.mask.acceleration == whole.mask.acceleration and whole.mask.acs_lines == 20
    else:
        # Of inpainting with noise, the protocol with most pixels hidden stands for the others.
        expected = replace(whole.corruption, p=small.corruption.p) if "inpainting" in bench.small else whole.corruption
        assert small.corruption == expected and small.network.field == whole.network.field
    assert (small.data.source == "brains") == (small.corruption.kind == "undersampling")
    assert small.data.matrix <= 48


@pytest.mark.parametrize("bench", EXPERIMENTS, ids=lambda one: one.about.name)
def test_networks_take_the_data_of_their_protocol(bench):
    """Without computing anything: shapes in are shapes out, for the small and the whole protocol."""
    for name in bench.protocols.values():
        protocol = load_protocol(name)
        side = protocol.data.matrix
        if protocol.corruption.kind == "undersampling":
            if protocol.network.field == "complex":
                continue  # its kernels need content; the step below runs it
            inputs, shape, dtype = Inputs(), (2, side, side), torch.complex64
        else:
            channels = 1 if protocol.data.source == "digits" else 3
            corruption = image_corruption(protocol, (channels, side, side))
            inputs, shape, dtype = Inputs.of(corruption), (2, *corruption.image_shape), torch.float32
            larger = tuple(corruption.generator_shape) != tuple(corruption.image_shape)
            assert larger == (protocol.corruption.kind == "super-resolution")
        if (case := (protocol.network, inputs, shape)) in FITTING:
            continue
        with torch.device("meta"):
            denoiser = build_denoiser(protocol, inputs)
        mask = torch.ones(2, inputs.condition_channels, *shape[-2:], device="meta")
        sampling = torch.zeros(2, inputs.sampling_features, device="meta")
        condition = Condition(
            mask if inputs.condition_channels else None, sampling if inputs.sampling_features else None
        )
        out = denoiser(torch.zeros(shape, dtype=dtype, device="meta"), torch.ones(2, device="meta"), condition)
        assert out.shape == shape and out.dtype == dtype
        FITTING.add(case)


@pytest.mark.long
@pytest.mark.parametrize("name", SMALL)
def test_small_protocol_takes_a_step_of_each_stage(name, tmp_path):
    done = train_run(load_protocol(name).with_values(SHORT), tmp_path, None, TrainOptions(device="cpu"))
    assert done.images == {"teacher": 2, "generator": 2}
    with (tmp_path / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["stage"] for row in rows} == {"teacher", "generator"}
    assert np.isfinite([float(row["value"]) for row in rows]).all()
