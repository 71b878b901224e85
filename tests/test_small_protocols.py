"""Every small protocol: network and data fit, and a step of each stage goes through."""

import numpy as np
import pytest

from rsd_mri.evaluation.benches import BENCHES, MINI
from rsd_mri.experiment import train_run
from rsd_mri.protocol import load_protocol, protocol_names
from rsd_mri.training.fabric import TrainOptions

SHORT = {
    "data.volumes": "2", "data.slices": "2", "teacher.images": "2", "teacher.batch": "2", "distillation.images": "2",
    "distillation.batch": "2", "monitor.cost": "0",
}
SMALL = [name for name in protocol_names() if name.startswith(MINI)]


def test_every_experiment_has_a_small_protocol():
    assert set(SMALL) == {MINI + bench.name for bench in BENCHES if bench.name not in ("linear", "recon")}


@pytest.mark.parametrize("name", SMALL)
def test_small_protocol_matches_its_experiment(name):
    """The same corruption as the whole experiment, at another size."""
    small, whole = load_protocol(name), load_protocol(name.removeprefix(MINI))
    assert small.corruption == whole.corruption and small.mask == whole.mask
    assert small.distillation.alpha == whole.distillation.alpha
    assert (small.data.source == "brains") == (small.corruption.kind == "undersampling")
    assert small.data.matrix <= 48 and small.network.field == whole.network.field


@pytest.mark.parametrize("name", SMALL)
def test_small_protocol_takes_a_step_of_each_stage(name, tmp_path):
    losses = {}
    options = TrainOptions(device="cpu")
    done = train_run(
        load_protocol(name).with_values(SHORT), tmp_path, None, options,
        lambda stage, seen, total, values: losses.setdefault(stage, dict(values)),
    )
    assert done["images"] == {"teacher": 2, "generator": 2}
    found = [value for values in losses.values() for value in values.values()]
    assert found and np.isfinite(found).all()
