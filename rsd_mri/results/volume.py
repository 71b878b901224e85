"""`ReconstructedVolume`: the image, its uncertainty and where both came from, as writers take it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_mri.about.plain import Parameters
from rsd_mri.files.slices import Slices
from rsd_mri.scan.facts import Facts
from rsd_mri.scan.geometry import Geometry


@dataclass(frozen=True)
class PosteriorPart:
    """What is known of the posterior; arrays are in the unit of the scan."""

    samples: NDArray[np.float32] | None
    """[sample, slice, readout, phase_encode]: magnitudes; None where a network gave mean and standard deviation."""
    std: NDArray[np.float32]
    """[slice, readout, phase_encode]: standard deviation over the samples, its square averaged over neighbours; or what
    a network says, where there are no samples or one; or the root of both's product, where the samples are drawn with
    little noise."""
    half_width: NDArray[np.float32] | None = None
    """[slice, readout, phase_encode]: half width of the calibrated interval, where there is a calibration."""


@dataclass(frozen=True)
class PriorUse:
    """Which prior was used, and what of the image is its."""

    path: str
    """Its file."""
    sha256: str
    """Of its weights."""
    measured_part: NDArray[np.float32] | None = None
    """[slice, readout, phase_encode]: magnitude of what the data determine of the image."""
    prior_part: NDArray[np.float32] | None = None
    """Magnitude of the rest, which the prior filled in."""


@dataclass(frozen=True)
class ReconstructedVolume:
    """A reconstructed volume in the unit of its scan; arrays are cropped to the image wanted."""

    magnitude: NDArray[np.float32]
    """[slice, readout, phase_encode]: root sum of squares of the modelled coil images, comparable with
    fastMRI's `reconstruction_rss`. For posterior methods that of the posterior mean."""
    image: NDArray[np.complex64]
    """[slice, readout, phase_encode]: the coil-combined complex image (the first set, where there are two)."""
    csm: NDArray[np.complex64] | Slices
    """[slice, coil, readout, phase_encode]: the maps used (the first set, where there are two); those of a large
    volume lie on disk, and are read slice by slice."""
    method: str
    """`posterior`, `one-step`, `l1-wavelet`, `tv`, `cg-sense` or `zero-filled`."""
    source: Path
    """The scan's file."""
    mask: NDArray[np.bool_]
    """The scan's mask, [phase_encode] or [readout, phase_encode]."""
    mask_source: str
    acceleration: float
    """Realised acceleration."""
    residual: NDArray[np.float32]
    """[slice]: ||A x - y||^2 over its expectation under the noise alone; 1 means consistent with the noise."""
    sigma: NDArray[np.float32]
    """[slice]: noise level in prepared units."""
    seconds: NDArray[np.float64]
    """[slice]: time the method took for the slice, preparation excluded [s]."""
    posterior: PosteriorPart | None = None
    """Samples and their spread, where the method draws any."""
    prior: PriorUse | None = None
    """The prior and its part of the image, where one was used."""
    title: str = ""
    """The method's name as pages show it."""
    checks: dict[str, float] = field(default_factory=dict)
    """Figures to judge the image by: `peak_mib` of memory, `prior_share` (energy), `held_out_error` (energy of the
    error on acquired lines left out, over theirs) beside `held_out_error_cg_sense` and, where they may be the
    samplers' start, `held_out_error_tv`, `_one_step` and `_teacher`, of frames together `_temporal_tv`;
    `measured_dispersion` and `unmeasured_dispersion` of the samples (prepared units); `centre_residual`, that of the
    fully sampled centre alone; `noise`, what the noise of the acquired samples gives the magnitude (standard
    deviation, unit of the scan); `own_lines` (how many), `own_lines_factor`, `own_lines_error` and the range with 90
    %, `own_lines_low` and `own_lines_high`; `half_width_coverage`, the share of the body that the half width is to
    cover, and `half_width_within`, the factor by which it may be off (with 90 %), where the scan or the package gave
    it; `card_differences` (ways in which the scan differs from the prior's card) and `card_loss` (the largest loss
    measured of scans that differ so [dB]); `lesion_lost`, `lesion_least` and more, as `priors.lesions.lesion_checks`
    says them; `adapted_steps` (0: kept as it was), `adapted_error_before` and `adapted_error` (on lines that no step
    has seen) where the prior was to adapt; `motion_mm`, `motion_degrees` and `motion_slices` (moved back) where motion
    was looked for."""
    seed: int = 0
    geometry: Geometry = field(default_factory=Geometry)
    facts: Facts = field(default_factory=Facts)
    """What the scan's header says of times, angles and names."""
    frame: dict[str, int] = field(default_factory=dict)
    """Counters that tell this frame from the others of its file; empty where it is the only one."""
    stack: int = 0
    """Number of its stack of slices."""
    notes: tuple[str, ...] = ()
    """What a reader has to know: number of sets of maps and why, repairs, warnings."""
    parameters: Parameters = field(default_factory=dict)
    """The method's settings as used."""

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return int(self.magnitude.shape[0])

    def __repr__(self) -> str:
        size = "x".join(map(str, self.magnitude.shape))
        return f"<{type(self).__name__} {self.source.name} {self.method} {size} R={self.acceleration:.2f}>"

    @property
    def samples(self) -> NDArray[np.float32] | None:
        """[sample, slice, readout, phase_encode]: magnitudes of the posterior samples, where there are any."""
        return None if self.posterior is None else self.posterior.samples

    @property
    def std(self) -> NDArray[np.float32] | None:
        """[slice, readout, phase_encode]: standard deviation over the samples, where there are any."""
        return None if self.posterior is None else self.posterior.std

    @property
    def half_width(self) -> NDArray[np.float32] | None:
        """[slice, readout, phase_encode]: half width of the calibrated interval, where there is one."""
        return None if self.posterior is None else self.posterior.half_width

    @property
    def measured_part(self) -> NDArray[np.float32] | None:
        """[slice, readout, phase_encode]: magnitude of what the data determine, where a prior was used."""
        return None if self.prior is None else self.prior.measured_part

    @property
    def prior_part(self) -> NDArray[np.float32] | None:
        """[slice, readout, phase_encode]: magnitude of the rest, where a prior was used."""
        return None if self.prior is None else self.prior.prior_part


def mean_residual(residual: NDArray[np.floating]) -> float:
    """Mean of a residual [slice] over the slices that hold data: that of slices of zeros is zero, and says nothing."""
    found = residual[residual > 0]
    return float(found.mean()) if found.size else 0.0


def frames_of(one: ReconstructedVolume | Sequence[ReconstructedVolume]) -> list[ReconstructedVolume]:
    """Return a list of frames, also of one alone.

    Raises
    ------
    ValueError
        If there is none, or they have not one size.
    """
    frames = [one] if isinstance(one, ReconstructedVolume) else list(one)
    if len({frame.magnitude.shape for frame in frames}) != 1:
        raise ValueError(f"the frames must have one size, got {sorted({f.magnitude.shape for f in frames})}")
    return frames
