"""Training runs from the command line's point of view: data found or simulated, then trained on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data_prep import PreparedDataset, prepare_folder
from rsd_mri.corruption.slices import UndersampledSlices
from rsd_mri.operators.masks import settings_for_size
from rsd_mri.protocol import Protocol
from rsd_mri.report.figures import write_contact_sheet
from rsd_mri.rsd.train import TrainOptions, train
from rsd_mri.simulation import simulate_folder
from rsd_mri.training.loop import Progress

LEAST_CALIBRATION = 8
"""Lines that coil maps need at least."""


def simulated_data(protocol: Protocol, folder: Path, seed: int, tell: Callable[[float], None]) -> Path:
    """Simulate and prepare a protocol's scans; done once, continued where it was stopped.

    The coil maps are calibrated on no more lines than the protocol's masks keep in the centre, so that
    nothing is used that an undersampled scan would not have.

    Returns
    -------
    Path
        The folder of prepared scans.
    """
    data = protocol.data
    raw = folder / "simulated"
    for case in range(data.volumes):
        if not (raw / f".done-{case}").is_file():
            simulate_folder(raw, 1, data.slices, data.matrix, data.coils, data.noise, None, seed, first=case)
            (raw / f".done-{case}").touch()
        tell((case + 1) / data.volumes / 2)
    acs = settings_for_size(protocol.mask, data.matrix).acs_lines or LEAST_CALIBRATION
    width = max(min(protocol.prep.calib_width, acs), LEAST_CALIBRATION)
    honest = replace(protocol, prep=replace(protocol.prep, calib_width=width))
    prepared = folder / "simulated-prepared"
    prepare_folder(raw, prepared, honest, progress=lambda done, total, entry: tell(0.5 + done / total / 2))
    return prepared


def train_run(
    protocol: Protocol,
    out: Path,
    data: Path | None,
    stage: Literal["teacher", "generator", "all"],
    fresh: bool,
    device: str,
    devices: int,
    nodes: int,
    precision: str,
    progress: Progress,
) -> dict[str, Any]:
    """Train on prepared scans, or on simulated ones where no data are given."""
    if data is None:
        data = simulated_data(
            protocol, out, protocol.seed, lambda done: progress("simulating", int(done * 100), 100, {})
        )
    dataset = PreparedDataset(data)
    slices = UndersampledSlices(dataset, protocol.mask, protocol.seed)
    options = TrainOptions(stage, fresh, device, devices, nodes, precision)
    return train(slices, protocol, out, options, progress, describe(slices, data), write_contact_sheet)


def describe(slices: UndersampledSlices, data: Path) -> dict[str, Any]:
    """The card's facts on the training data: what a scan is compared with before it is reconstructed."""
    corruption = slices.corruption
    sigma = corruption.sigma.numpy()
    return {
        "data": data.name,
        "slices": len(slices),
        "matrix": list(slices.size),
        "coils": int(corruption.bank.shape[1]),
        "acceleration": corruption.mask.acceleration,
        "mask": corruption.mask.kind,
        "acs_lines": corruption.mask.acs_lines,
        "sigma_median": float(np.median(sigma)),
        "sigma_range": [float(sigma.min()), float(sigma.max())],
    }
