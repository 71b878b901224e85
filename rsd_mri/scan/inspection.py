"""`inspect`: what was understood of a scan, and every conflict found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rsd_mri.scan.reading import read_scan
from rsd_mri.scan.sampling import fully_sampled_centre
from rsd_mri.scan.scan import Geometry, Scan

FEWEST_CENTRE_LINES = 8
"""Coil maps cannot be estimated from a narrower fully sampled centre."""


@dataclass(frozen=True)
class Inspection:
    """What a file holds, in words and numbers."""

    path: Path
    format: str
    shape: tuple[int, int, int, int]
    """(slice, coil, readout, phase_encode)."""
    image_size: tuple[int, int]
    """(readout, phase_encode) of the image wanted."""
    image_size_source: str
    """`header`, or `k-space` where no header says."""
    mask_kind: str
    """`full`, `lines` or `2-D pattern`."""
    mask_source: str
    """`file`, `zeros` or `full`."""
    realised_acceleration: float
    """Points of k-space, without zero padding, over points acquired."""
    n_lines: int
    """Phase-encode lines with at least one point acquired."""
    centre: tuple[int, int]
    """Fully sampled centre (readout, phase_encode)."""
    acquired_at: tuple[int, int] | None
    """First and last-plus-one line the scanner could fill; None for all."""
    noise: tuple[int, float, float] | None
    """Noise samples per coil, and the smallest and largest standard deviation over coils; or None."""
    calibration: tuple[int, int] | None
    """(readout, phase_encode) of a separate calibration scan; or None."""
    geometry: Geometry
    attributes: dict[str, str | int | float]
    conflicts: tuple[str, ...]
    """Conflicts, repairs and what is missing, one sentence each."""

    def lines(self) -> list[str]:
        """Return text for people, one fact a line; conflicts come last."""
        return [f"{name + ':':<22}{text}" for name, text in self.rows()]

    def rows(self) -> list[tuple[str, str]]:
        """Return (name, text) for people; conflicts come last."""
        n_slices, n_coils, readout, phase = self.shape
        g = self.geometry
        missing = "not known"
        mask = {
            "full": "fully sampled",
            "lines": f"lines, {self.n_lines} of {phase}",
            "2-D pattern": "2-D pattern",
        }[self.mask_kind]
        source = {"file": ", from the file", "zeros": ", found from zeros in k-space", "full": ""}
        rows = [
            ("file", str(self.path)),
            ("format", self.format),
            (
                "k-space",
                f"{_count(n_slices, 'slice')}, {_count(n_coils, 'coil')}, readout {readout} x phase encode {phase}",
            ),
            ("image", f"{self.image_size[0]} x {self.image_size[1]} (from {self.image_size_source})"),
            ("sampling", mask + source[self.mask_source]),
            ("acceleration", f"{self.realised_acceleration:.2f} (realised)"),
            ("calibration lines", f"{self.centre[0]} x {self.centre[1]} around the centre of k-space"),
        ]
        if self.acquired_at is not None:
            rows.append(("lines fillable", f"{self.acquired_at[0]} to {self.acquired_at[1] - 1}; zero outside"))
        rows += [
            (
                "calibration scan",
                "none" if self.calibration is None else f"{self.calibration[0]} x {self.calibration[1]}",
            ),
            (
                "noise scan",
                "none"
                if self.noise is None
                else f"{self.noise[0]} samples, standard deviation {self.noise[1]:.3g} to {self.noise[2]:.3g}",
            ),
            ("voxel [mm]", missing if g.voxel_size is None else " x ".join(f"{v:.3g}" for v in g.voxel_size)),
            ("orientation", missing if g.slice_direction is None else _directions(g)),
            ("slice positions", f"{len(g.positions)} known" if g.positions else missing),
        ]
        rows += [(name, str(value)) for name, value in sorted(self.attributes.items())]
        return rows + [("conflict", text) for text in self.conflicts]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        g = self.geometry
        return {
            "file": str(self.path),
            "format": self.format,
            "shape": dict(zip(("slices", "coils", "readout", "phase_encode"), self.shape, strict=True)),
            "image_size": list(self.image_size),
            "image_size_source": self.image_size_source,
            "mask": {
                "kind": self.mask_kind,
                "source": self.mask_source,
                "realised_acceleration": self.realised_acceleration,
                "lines": self.n_lines,
                "calibration_lines": list(self.centre),
                "acquired_at": None if self.acquired_at is None else list(self.acquired_at),
            },
            "noise_scan": None
            if self.noise is None
            else dict(zip(("samples", "sigma_min", "sigma_max"), self.noise, strict=True)),
            "calibration_scan": None if self.calibration is None else list(self.calibration),
            "geometry": {
                "voxel_size": g.voxel_size,
                "slice_gap": g.slice_gap,
                "read_direction": g.read_direction,
                "phase_direction": g.phase_direction,
                "slice_direction": g.slice_direction,
                "positions": [list(p) for p in g.positions],
            },
            "attributes": dict(self.attributes),
            "conflicts": list(self.conflicts),
        }


def _directions(geometry: Geometry) -> str:
    names = zip(
        ("readout", "phase encode", "slice"),
        (geometry.read_direction, geometry.phase_direction, geometry.slice_direction),
        strict=True,
    )
    return ", ".join(f"{name} {tuple(round(x, 3) for x in d)}" for name, d in names if d is not None) + " (LPS)"


def inspect(path: str | Path) -> Inspection:
    """Read a scan and say what was understood.

    Raises
    ------
    InputError
        If the file is not a usable scan; the sentence says why.
    """
    return inspect_scan(read_scan(path))


def inspect_scan(scan: Scan) -> Inspection:
    """Say what is in a scan that was read already."""
    centre = fully_sampled_centre(scan.mask, scan.size)
    conflicts = list(scan.notes)
    if min(centre) < FEWEST_CENTRE_LINES and scan.calibration is None:
        conflicts.append(
            f"only {min(centre)} fully sampled lines around the centre of k-space and no calibration scan; "
            f"coil maps need {FEWEST_CENTRE_LINES}"
        )
    noise = None
    if scan.noise is not None:
        sigma = np.sqrt((np.abs(scan.noise) ** 2).mean(axis=1))
        noise = (scan.noise.shape[1], float(sigma.min()), float(sigma.max()))
    kind = "full" if scan.mask_source == "full" else "lines" if scan.mask.ndim == 1 else "2-D pattern"
    return Inspection(
        path=scan.source,
        format=scan.format,
        shape=(scan.n_slices, scan.n_coils, *scan.size),
        image_size=scan.image_size or scan.size,
        image_size_source="k-space" if scan.image_size is None else "header",
        mask_kind=kind,
        mask_source=scan.mask_source,
        realised_acceleration=float(scan.realised_acceleration),
        n_lines=int(np.atleast_2d(scan.mask).any(axis=0).sum()),
        centre=centre,
        acquired_at=scan.acquired_at,
        noise=noise,
        calibration=None if scan.calibration is None else (scan.calibration.shape[-2], scan.calibration.shape[-1]),
        geometry=scan.geometry,
        attributes=scan.attributes,
        conflicts=tuple(conflicts),
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
