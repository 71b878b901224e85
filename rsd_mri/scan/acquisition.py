"""`Acquisition`: what came off the scanner, whatever format it was stored in, as writers and inspection take it."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.facts import Facts
from rsd_mri.scan.findings import Finding
from rsd_mri.scan.geometry import Geometry
from rsd_mri.scan.trajectory import cells_of, within_reach

FROM_RECORDS = ("ismrmrd",)
"""Formats of which the file is one way among others in which the same data come."""


@dataclass(frozen=True, repr=False)
class Acquisition:
    """One acquisition, multi-coil.

    Arrays are as acquired: no whitening, no cropping, no scaling. Along a trajectory the axes readout and phase_encode
    of k-space are the samples of a shot and the shots (spokes, interleaves): what is recorded at once, and how often.
    """

    kspace: NDArray[np.complex64]
    """[slice, coil, readout, phase_encode]; zero frequency at index n // 2; zero where not acquired."""
    mask: NDArray[np.bool_]
    """[phase_encode] for lines or [readout, phase_encode] for a 2-D pattern; True where acquired."""
    mask_source: str
    """`file` (a mask was stored), `zeros` (found from zeros in k-space) or `full` (nothing is missing)."""
    source: Path
    """The file it was read from."""
    format: str
    """`fastmri`, `ismrmrd`, `cfl`, `npy`, `simulated`, or the name of another reader's format."""
    noise: NDArray[np.complex64] | None = None
    """Noise-only samples [coil, sample], in the unit of `kspace` after its receiver bandwidth; or None."""
    calibration: NDArray[np.complex64] | None = None
    """A separate fully sampled calibration scan [slice, coil, readout, phase_encode]; or None."""
    image_size: tuple[int, int] | None = None
    """(readout, phase_encode) of the image wanted, where the header gives one; else the k-space size."""
    acquired_at: tuple[int, int] | None = None
    """First and last-plus-one phase-encode line the scanner could fill; outside lies zero padding."""
    readout_at: tuple[int, int] | None = None
    """The same of the readout's samples."""
    geometry: Geometry = field(default_factory=Geometry)
    attributes: dict[str, str | int | float] = field(default_factory=dict)
    """What the file says about itself (acquisition, patient_id, max, norm, ...), as read."""
    header: str | None = None
    """The ISMRMRD XML header, where there is one."""
    notes: tuple[str, ...] = ()
    """Every conflict found and every repair made while reading, one sentence each."""
    findings: tuple[Finding, ...] = ()
    """How each question about the scan was settled, and by what evidence."""
    facts: Facts = field(default_factory=Facts)
    """What the header says of times, angles and names."""
    frame: dict[str, int] = field(default_factory=dict)
    """Counters that tell this frame from the others of its file (`contrast`, `phase`, `repetition`, `set`, ...)."""
    stack: int = 0
    """Number of its stack of slices: of those of one orientation, or of its slab."""
    trajectory: NDArray[np.float32] | None = None
    """[sample, shot, 2] where k-space is not Cartesian: where each sample lies along (readout, phase_encode) of the
    image, in cycles per field of view, from -n / 2 to n / 2 for n pixels; else None."""
    segments: NDArray[np.int16] | None = None
    """[phase_encode], or of two phase encodes [readout, phase_encode]: segment in which each line or point was measured
    (an echo train, a shot of several lines); counted in time, -1 where none was. None where that is not known, or
    lines were measured one by one."""

    def __post_init__(self) -> None:
        if self.kspace.ndim != 4:
            raise ValueError(f"kspace must be [slice, coil, readout, phase_encode], got {self.kspace.shape}")
        if self.mask.shape not in (self.kspace.shape[-1:], self.kspace.shape[-2:]):
            raise ValueError(f"mask {self.mask.shape} does not fit kspace {self.kspace.shape}")
        if self.segments is not None and self.segments.shape not in (self.mask.shape, self.size):
            raise ValueError(f"segments {self.segments.shape} do not fit kspace {self.kspace.shape}")
        if self.trajectory is not None and (
            self.trajectory.shape != (*self.kspace.shape[-2:], 2) or self.image_size is None
        ):
            raise ValueError(
                f"trajectory {self.trajectory.shape} does not fit kspace {self.kspace.shape}, or no image size"
            )

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return int(self.kspace.shape[0])

    @property
    def middle(self) -> int:
        """Number of the slice in the middle, or of that nearest to it that holds data."""
        middle = self.n_slices // 2
        nearest = sorted(range(self.n_slices), key=lambda index: abs(index - middle))
        return next((index for index in nearest if self.kspace[index].any()), middle)

    @property
    def n_coils(self) -> int:
        """Number of receive coils."""
        return int(self.kspace.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """(readout, phase_encode) of k-space."""
        return self.kspace.shape[2], self.kspace.shape[3]

    @property
    def matrix(self) -> tuple[int, int]:
        """(readout, phase_encode) of the Cartesian grid that k-space covers; that of the image along a trajectory."""
        return self.size if self.trajectory is None or self.image_size is None else self.image_size

    @property
    def cells(self) -> NDArray[np.bool_]:
        """The mask on the Cartesian grid: along a trajectory the cells nearest to its samples, as a 2-D pattern."""
        if self.trajectory is None:
            return self.mask
        return cells_of(self.trajectory, self.mask, self.matrix)

    @property
    def realised_acceleration(self) -> float:
        """Points of k-space (without zero padding, or within reach of the trajectory) over points acquired."""
        if self.trajectory is not None:
            return int(within_reach(self.trajectory, self.matrix).sum()) / max(int(self.cells.sum()), 1)
        first, stop = self.acquired_at or (0, self.mask.shape[-1])
        inside = self.mask[..., first:stop]
        if inside.ndim == 2 and self.readout_at is not None:
            inside = inside[slice(*self.readout_at)]
        return inside.size / max(int(inside.sum()), 1)

    @property
    def key(self) -> str:
        """What its random draws are keyed by: the file's name, and stack and frame where there are several.

        Records may come from a file or from a socket, which has no name: of these it is the k-space itself.
        """
        if self.format in FROM_RECORDS:
            found = hashlib.blake2b(digest_size=16)
            for one in self.kspace:  # it may lie on disk
                found.update(np.ascontiguousarray(one).data)
            return found.hexdigest()
        parts = [f"stack {self.stack}"] if self.stack else []
        return " ".join([self.source.name, *parts, *(f"{name} {number}" for name, number in self.frame.items())])

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.kspace.shape))
        return f"<{type(self).__name__} {self.source.name} {self.format} {shape} R={self.realised_acceleration:.2f}>"
