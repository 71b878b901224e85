"""A run of seconds: slices in memory, a small protocol."""

from rsd_mri.datasets.slices import UndersampledSlices
from rsd_mri.experiment.proximal import proximal_distance
from rsd_mri.experiment.runs import train_run
from rsd_mri.machine.progress import SILENT
from rsd_mri.preparation.prepare import calibrate_volume, prepare_slice
from rsd_mri.priors.card import Card
from rsd_mri.protocol import (
    DistillationSettings,
    MaskSettings,
    NetworkSettings,
    PrepSettings,
    Protocol,
    TeacherSettings,
    build,
)
from rsd_mri.rsd.train import train
from rsd_mri.training.fabric import TrainOptions

PROTOCOL = Protocol(
    name="tiny",
    mask=MaskSettings(acceleration=3.0, acs_lines=8),
    prep=PrepSettings(virtual_coils=3, calib_width=8, kernel_width=4),
    network=NetworkSettings(channels=4, multipliers=(1, 2)),
    teacher=TeacherSettings(images=16, batch=4, warmup=8),
    distillation=DistillationSettings(images=8, batch=4),
)


class Slices:
    """Prepared slices in memory, as `PreparedDataset` gives them; `copies` of each, under other names."""

    def __init__(self, scan, copies=1):
        volume = calibrate_volume(scan, PROTOCOL.prep)
        rows = [prepare_slice(scan, i, PROTOCOL.prep, volume) for i in range(scan.n_slices)]
        self.rows = rows * copies
        self.items = [f"{scan.source.name}:{i}" for i in range(len(self.rows))]

    @property
    def shapes(self):
        return [row.csm.shape for row in self.rows]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        row = self.rows[i]
        return {"kspace": row.kspace, "csm": row.csm, "mask": row.mask, "sigma": row.sigma, "item": self.items[i]}


def run(slices, folder, protocol=PROTOCOL, *, progress=SILENT, **options):
    data = UndersampledSlices(slices, protocol.mask, protocol.seed)
    chosen = TrainOptions(device="cpu", **options)
    monitor = proximal_distance(data, protocol)
    return train(data, protocol, folder, chosen, progress, Card(data="test"), monitor=monitor)


def picture_run(folder, corruption="noise"):
    """A run whose teacher of pictures saw four of them; its folder."""
    values = {
        "name": "tiny",
        "corruption": {"kind": corruption, "sigma": 0.2},
        "monitor": {"cost": 0},
        "data": {"source": "photographs", "volumes": 4, "slices": 1, "matrix": 16},
        "network": {"field": "real", "channels": 4, "multipliers": [1, 2]},
        "teacher": {"images": 4, "batch": 2},
    }
    train_run(build(Protocol, values, "tiny"), folder, None, TrainOptions("teacher", device="cpu"), SILENT)
    return folder
