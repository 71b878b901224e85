"""`Reconstruction`: the image, its uncertainty and where both came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.facts import Facts
from rsd_mri.scan.scan import Geometry

if TYPE_CHECKING:
    from rsd_mri.results.overview import Picture


@dataclass(frozen=True)
class PosteriorPart:
    """What posterior samples say; arrays are in the unit of the scan."""

    samples: NDArray[np.float32]
    """[sample, slice, readout, phase_encode]: magnitudes."""
    std: NDArray[np.float32]
    """[slice, readout, phase_encode]: standard deviation over the samples, its square averaged over neighbours."""
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
class Reconstruction:
    """A reconstructed volume in the unit of its scan; arrays are cropped to the image wanted."""

    magnitude: NDArray[np.float32]
    """[slice, readout, phase_encode]: root sum of squares of the modelled coil images, comparable with
    fastMRI's `reconstruction_rss`. For posterior methods that of the posterior mean."""
    image: NDArray[np.complex64]
    """[slice, readout, phase_encode]: the coil-combined complex image (the first set, where there are two)."""
    csm: NDArray[np.complex64]
    """[slice, coil, readout, phase_encode]: the maps used (the first set, where there are two)."""
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
    samplers' start, `held_out_error_tv` and `held_out_error_one_step`; `measured_dispersion` and
    `unmeasured_dispersion` of the samples (prepared units)."""
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
    parameters: dict[str, str | int | float] = field(default_factory=dict)
    """The method's settings as used."""

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return int(self.magnitude.shape[0])

    @property
    def warnings(self) -> list[str]:
        """What a reader has to know before the image, in sentences."""
        from rsd_mri.results.facts import warnings

        return warnings(self)

    def show(self, slices: Sequence[int] | None = None) -> "Picture":
        """Slices side by side, with their standard deviation below where there is one.

        Parameters
        ----------
        slices
            Which, counted from 0; at most six, evenly spread, where not given.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it; elsewhere `savefig` writes it.
        """
        from rsd_mri.results.overview import overview_figure

        return overview_figure(self, slices)

    def save(self, path: str | Path, patient_id: str | None = None) -> list[Path]:
        """Write the reconstruction in the format that the file's ending says.

        Parameters
        ----------
        path
            With the ending of one of `rsd_mri.results.formats.FORMATS`, `.nii.gz` for example; a name without an
            ending is a folder of DICOM series.
        patient_id
            Written where the format holds one (DICOM); nothing about the patient is written without it.

        Returns
        -------
        list of Path
            The files written.

        Raises
        ------
        InputError
            If the ending is another, the image is not finite, or the format cannot hold `patient_id`.
        """
        from rsd_mri.results.formats import save_as

        return save_as(Path(path), self, patient_id)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.magnitude.shape))
        return f"<Reconstruction {self.source.name} {self.method} {size} R={self.acceleration:.2f}>"

    def _repr_html_(self) -> str:
        from rsd_mri.results.saving import reconstruction_panel

        return reconstruction_panel(self)

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


def frames_of(one: "Reconstruction | Sequence[Reconstruction]") -> "list[Reconstruction]":
    """Return a list of frames, also of one alone.

    Raises
    ------
    ValueError
        If there is none, or they have not one size.
    """
    frames = [one] if isinstance(one, Reconstruction) else list(one)
    if len({frame.magnitude.shape for frame in frames}) != 1:
        raise ValueError(f"the frames must have one size, got {sorted({f.magnitude.shape for f in frames})}")
    return frames
