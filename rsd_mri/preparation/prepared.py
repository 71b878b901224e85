"""`PreparedSlice`: a slice of a scan as the networks and the samplers want it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.operators import CenteredFFT, NonUniformFFT, Transform


@dataclass(frozen=True)
class PreparedSlice:
    """One slice: prewhitened, readout oversampling removed, coils compressed, scaled, with its maps.

    In prepared units the 99th percentile of the calibration image is 1 and the k-space noise is complex
    white with E|n|^2 = sigma^2. `back` undoes whitening, compression and scale: coil images in the unit of
    the scan are `np.tensordot(back, coil_images, 1)`.
    """

    kspace: NDArray[np.complex64]
    """[coil, readout, phase_encode], virtual coils; zero where not acquired."""
    csm: NDArray[np.complex64]
    """[coil, readout, phase_encode], or [set, coil, readout, phase_encode] with two sets."""
    mask: NDArray[np.bool_]
    """[phase_encode] or [readout, phase_encode]."""
    image: NDArray[np.complex64]
    """[readout, phase_encode] (or [set, ...]): S^H F^H kspace, gridded along a trajectory. For evaluation only."""
    sigma: float
    """Standard deviation of the complex k-space noise, in prepared units; of its quiet part, that data are weighed by,
    where a filter of k-space made it uneven."""
    scale: float
    """Prepared k-space times this is the whitened k-space."""
    back: NDArray[np.complex64]
    """[physical coil, virtual coil]: from prepared coils to the coils and the unit of the scan."""
    image_size: tuple[int, int]
    """(readout, phase_encode) of the image wanted: the centre of the field of view is kept."""
    acs: tuple[int, int]
    """Fully sampled centre (readout, phase_encode) found in the mask; (0, 0) along a trajectory."""
    calib_width: int
    """Width of the calibration region given to ESPIRiT; never wider than `acs`."""
    energy_kept: float
    """Share of the energy of the calibration region kept by the coil compression."""
    noise_source: str
    """`scan` (a noise scan), `lines` (readout positions outside the object), `calibration` (what the coils do
    not explain in the fully sampled centre), `kspace` (its edge) or `none` (no noise was found)."""
    sets_reason: str
    """Why one or two sets of maps were used, in one sentence."""
    eigenvalues: NDArray[np.float32] | None = None
    """[set, readout, phase_encode]: ESPIRiT's leading eigenvalues, one map per set computed."""

    trajectory: NDArray[np.float32] | None = None
    """[sample, shot, 2] of k-space that is not Cartesian, in cycles per field of view, as in `Scan`."""
    density: NDArray[np.float32] | None = None
    """[sample, shot]: cells of the Cartesian grid that each sample stands for."""

    phase: NDArray[np.complex64] | None = None
    """[(set,) readout, phase_encode] of magnitude one: the smooth phase but for which the image is real; None
    where that is not assumed."""

    segments: NDArray[np.int16] | None = None
    """[phase_encode]: segment of each line, where they are known and the object moved between them."""
    poses: NDArray[np.float32] | None = None
    """[segment, 3]: how it lay in each, shift along readout and phase encoding [pixels] and angle [rad]."""
    aspect: float = 1.0
    """Voxel size along the readout over that along the phase encoding."""
    noise_mean: float = 1.0
    """Level of the noise over `sigma`, root mean square over what was acquired."""
    taper: NDArray[np.float32] | None = None
    """[phase_encode]: a filter that was in the scan's k-space and is not in this; images are given with it."""

    @property
    def level(self) -> float:
        """Standard deviation of the complex k-space noise, root mean square over what was acquired."""
        return self.sigma * self.noise_mean

    @property
    def size(self) -> tuple[int, int]:
        """(readout, phase_encode) of the maps."""
        return self.csm.shape[-2], self.csm.shape[-1]

    def transform(self, device: torch.device) -> Transform:
        """From coil images to k-space."""
        return transform_of(self.trajectory, self.size, self.density, device)

    @property
    def n_sets(self) -> int:
        """Number of sets of maps."""
        return 1 if self.csm.ndim == 3 else self.csm.shape[0]


def transform_of(
    trajectory: NDArray[np.float32] | None,
    size: tuple[int, int],
    density: NDArray[np.float32] | None = None,
    device: torch.device | None = None,
) -> Transform:
    """The transform of a scan: the centred FFT, or that of its trajectory.

    Parameters
    ----------
    trajectory
        [sample, shot, 2] or None.
    size
        (readout, phase_encode) of the image.
    density
        [sample, shot], where it is known.
    device
        Where its constants lie; the processor where not given.
    """
    if trajectory is None:
        return CenteredFFT()
    weights = None if density is None else torch.from_numpy(density).to(device)
    return NonUniformFFT(torch.from_numpy(trajectory).to(device), size, weights)
