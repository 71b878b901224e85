"""What training sees of measurements."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep import PreparedDataset
from rsd_mri.api.scans import protocol_of
from rsd_mri.corruption.corruption import Key
from rsd_mri.protocol import Protocol


@dataclass(frozen=True)
class TrainingView:
    """One training slice."""

    image: NDArray[np.complex64]
    """[readout, phase_encode]: A^H y, with all its aliasing; prepared units."""
    measured: NDArray[np.bool_]
    """[readout, phase_encode]: what was acquired, by which the network is judged."""
    shown: NDArray[np.bool_]
    """The part of it that the network is shown, this time."""


def training_views(
    data: str | Path,
    protocol: str | Protocol | None = None,
    count: int = 4,
    settings: Mapping[str, object] | None = None,
    seed: int = 0,
) -> list[TrainingView]:
    """The first slices of a folder of prepared scans, as training sees them.

    Parameters
    ----------
    data
        A folder that `prepare` wrote.
    protocol, settings
        As for `train`.
    count
        Slices.
    seed
        Of what is shown.
    """
    from rsd_mri.experiment.runs import measured_slices

    slices = measured_slices(protocol_of(protocol, settings), PreparedDataset(data))
    views = []
    for i in range(min(count, len(slices))):
        operator, y, _ = slices.measured([i])
        keys: list[Key] = [(seed, "view", i)]
        further = slices.corruption.further(operator, keys)
        image = operator.adjoint(y)[0].numpy()
        masks = [np.broadcast_to(one.mask[0, 0].numpy(), image.shape) for one in (operator, further)]
        views.append(TrainingView(image, *masks))
    return views
