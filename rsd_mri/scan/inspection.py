"""`inspect`: what was understood of a scan, by what evidence, and every conflict found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rsd_mri.about.plain import Json
from rsd_mri.scan.acquisition import Acquisition
from rsd_mri.scan.findings import merged
from rsd_mri.scan.geometry import Geometry
from rsd_mri.scan.sampling import MIN_CENTRE, fully_sampled_centre
from rsd_mri.scan.usual_answers import usual_findings

SHOWN = 3
"""Slice positions and frames written out for people; JSON has all."""


@dataclass(frozen=True)
class Inspection:
    """What a file holds, in words and numbers: of its first volume where not said otherwise."""

    scans: tuple[Acquisition, ...]
    """Every frame of every stack of slices."""
    centre: tuple[int, int]
    """Fully sampled centre (readout, phase_encode)."""
    noise: tuple[int, float, float] | None
    """Noise samples per coil, and the smallest and largest standard deviation over coils; or None."""
    conflicts: tuple[str, ...]
    """Conflicts, repairs and what is missing, one sentence each."""

    @property
    def scan(self) -> Acquisition:
        """The first volume."""
        return self.scans[0]

    @property
    def path(self) -> Path:
        """The file."""
        return self.scan.source

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(slice, coil, readout, phase_encode)."""
        return (self.scan.n_slices, self.scan.n_coils, *self.scan.size)

    @property
    def image_size(self) -> tuple[int, int]:
        """(readout, phase_encode) of the image wanted."""
        return self.scan.image_size or self.scan.matrix

    @property
    def mask_kind(self) -> str:
        """`full`, `lines`, `2-D pattern` or `trajectory`."""
        if self.scan.trajectory is not None:
            return "trajectory"
        return "full" if self.scan.mask_source == "full" else "lines" if self.scan.mask.ndim == 1 else "2-D pattern"

    @property
    def mask_source(self) -> str:
        """`file`, `zeros` or `full`."""
        return self.scan.mask_source

    @property
    def n_lines(self) -> int:
        """Phase-encode lines with at least one point acquired."""
        return int(np.atleast_2d(self.scan.mask).any(axis=0).sum())

    @property
    def realised_acceleration(self) -> float:
        """Points of k-space, without zero padding, over points acquired: the mean over all volumes."""
        return float(np.mean([scan.realised_acceleration for scan in self.scans]))

    @property
    def stacks(self) -> tuple[tuple[Acquisition, ...], ...]:
        """The frames of each stack of slices."""
        numbers = dict.fromkeys(scan.stack for scan in self.scans)
        return tuple(tuple(scan for scan in self.scans if scan.stack == number) for number in numbers)

    def lines(self) -> list[str]:
        """Return text for people, one fact a line; conflicts come last."""
        return [f"{name + ':':<22}{text}" for name, text in self.rows()]

    def rows(self) -> list[tuple[str, str]]:
        """Return (name, text) for people: each question with its answer and the evidence; conflicts come last."""
        n_slices, n_coils, readout, phase = self.shape
        shots = f"trajectory, {self.n_lines} shots of {readout} samples"
        mask = {
            "trajectory": shots,
            "full": "fully sampled",
            "lines": f"lines, {self.n_lines} of {phase}",
            "2-D pattern": "2-D pattern",
        }
        source = {"file": ", from the file", "zeros": ", found from zeros in k-space", "full": ""}
        rows = [
            ("file", str(self.path)),
            (
                "k-space",
                f"{_count(n_slices, 'slice')}, {_count(n_coils, 'coil')}, "
                + (f"readout {readout} x phase encode {phase}" if self.mask_kind != "trajectory" else shots),
            ),
        ]
        instead = {
            "sampling": mask[self.mask_kind] + source[self.mask_source],
            "acceleration": f"{self.realised_acceleration:.2f} (realised)",
            "noise": self._noise_in_words(),
        }
        for one in merged(usual_findings(self.scan), self.scan.findings):
            text = instead.get(one.question, one.answer)
            rows.append((one.question, f"{text} ({one.evidence})" if one.evidence else text))
        g = self.scan.geometry
        rows += [
            ("calibration lines", f"{self.centre[0]} x {self.centre[1]} around the centre of k-space"),
            ("orientation", "not known" if g.slice_direction is None else _directions(g)),
            ("slice positions", _positions(g)),
        ]
        if len(self.stacks) > 1:
            words = "; ".join(
                f"{_count(s.n_slices, 'slice')}, normal {_rounded(s.geometry.slice_direction)}" for s, *_ in self.stacks
            )
            rows.append(("stacks", f"{len(self.stacks)}: {words}"))
        known = self.scan.facts.without_names()
        facts = (
            ("TE", known.echo_times, "ms"), ("TR", known.repetition_times, "ms"), ("TI", known.inversion_times, "ms"),
            ("flip angle", known.flip_angles, "degrees"),
            ("field strength", (known.field_strength,) if known.field_strength else (), "T"),
        )  # fmt: skip
        rows += [(n, ", ".join(f"{v:g}" for v in values) + f" {unit}") for n, values, unit in facts if values]
        rows += [(name, str(value)) for name, value in sorted(self.scan.attributes.items())]
        return rows + [("conflict", text) for text in self.conflicts]

    def _noise_in_words(self) -> str:
        if self.noise is None:
            return "no noise scan"
        return f"{self.noise[0]} samples a coil, standard deviation {self.noise[1]:.3g} to {self.noise[2]:.3g}"

    def as_dict(self) -> dict[str, Json]:
        """Plain values for JSON."""
        scan, g = self.scan, self.scan.geometry
        by = {one.question: one for one in scan.findings}

        def value(question: str, otherwise: Any = None) -> Any:
            one = by.get(question)
            return otherwise if one is None or one.value is None else one.value

        shape = dict(zip(("slices", "coils", "readout", "phase_encode"), self.shape, strict=True))
        return {
            "file": str(self.path),
            "format": scan.format,
            "frames": [{"stack": one.stack, **one.frame} for one in self.scans],
            "slices": sum(stack[0].n_slices for stack in self.stacks),
            "coils": scan.n_coils,
            "shape": shape,
            "matrix": {"kspace": list(scan.size), "image": list(self.image_size)},
            "image_size": list(self.image_size),
            "image_size_source": "k-space" if scan.image_size is None else "header",
            "field_of_view": value("field of view"),
            "voxel": None if g.voxel_size is None else list(g.voxel_size),
            "axes": by["axes"].answer if "axes" in by else None,
            "sign": value("sign", "plain"),
            "sampling": self.mask_kind,
            "mask": {
                "kind": self.mask_kind,
                "source": self.mask_source,
                "realised_acceleration": self.realised_acceleration,
                "lines": self.n_lines,
                "calibration_lines": list(self.centre),
                "acquired_at": None if scan.acquired_at is None else list(scan.acquired_at),
                "readout_at": None if scan.readout_at is None else list(scan.readout_at),
            },
            "acceleration": self.realised_acceleration,
            "segments": value("segments"),
            "centre": value("centre"),
            "calibration": None if scan.calibration is None else list(scan.calibration.shape[-2:]),
            "calibration_scan": None if scan.calibration is None else list(scan.calibration.shape[-2:]),
            "noise": None
            if self.noise is None
            else dict(zip(("samples", "sigma_min", "sigma_max"), self.noise, strict=True)),
            "noise_scan": None
            if self.noise is None
            else dict(zip(("samples", "sigma_min", "sigma_max"), self.noise, strict=True)),
            "geometry": {
                "voxel_size": g.voxel_size,
                "slice_gap": g.slice_gap,
                "read_direction": g.read_direction,
                "phase_direction": g.phase_direction,
                "slice_direction": g.slice_direction,
                "positions": [list(p) for p in g.positions],
                "per_slice": [asdict(place) for stack in self.stacks for place in _places(stack[0])],
            },
            "facts": {k: v for k, v in vars(scan.facts.without_names()).items() if v},
            "evidence": {one.question: str(one) for one in scan.findings},
            "attributes": dict(scan.attributes),
            "conflicts": list(self.conflicts),
        }


@dataclass(frozen=True)
class Place:
    """Where a slice lies: its centre (mm) and the unit vectors of its axes, LPS."""

    stack: int
    position: tuple[float, float, float] | None
    read: tuple[float, float, float] | None
    phase: tuple[float, float, float] | None
    normal: tuple[float, float, float] | None


def _places(scan: Acquisition) -> list[Place]:
    """Where each slice of a stack lies."""
    g = scan.geometry
    return [
        Place(
            scan.stack,
            g.positions[i] if i < len(g.positions) else None,
            g.read_direction,
            g.phase_direction,
            g.slice_direction,
        )
        for i in range(scan.n_slices)
    ]


def _rounded(vector: tuple[float, float, float] | None) -> str:
    return "not known" if vector is None else str(tuple(round(x, 3) for x in vector))


def _positions(geometry: Geometry) -> str:
    if not geometry.positions:
        return "not known"
    shown = ", ".join(str(tuple(round(x, 1) + 0.0 for x in p)) for p in geometry.positions[:SHOWN])
    return f"{len(geometry.positions)} known: {shown}{', ...' if len(geometry.positions) > SHOWN else ''} mm"


def _directions(geometry: Geometry) -> str:
    names = zip(
        ("readout", "phase encode", "slice"),
        (geometry.read_direction, geometry.phase_direction, geometry.slice_direction),
        strict=True,
    )
    return ", ".join(f"{name} {_rounded(d)}" for name, d in names if d is not None) + " (LPS)"


def inspect_scan(scan: Acquisition) -> Inspection:
    """Say what is in a scan that was read already."""
    return inspect_scans([scan])


def inspect_scans(scans: Sequence[Acquisition]) -> Inspection:
    """Say what is in the frames and stacks of one file."""
    scan = scans[0]
    centre = fully_sampled_centre(scan.cells, scan.matrix)
    conflicts = list(dict.fromkeys(note for one in scans for note in one.notes))
    if min(centre) < MIN_CENTRE and scan.calibration is None:
        conflicts.append(
            f"only {min(centre)} fully sampled lines around the centre of k-space and no calibration scan; with fewer "
            f"than {MIN_CENTRE} image and coils are found together from the undersampled data, which is less "
            "certain"
        )
    noise = None
    if scan.noise is not None:
        sigma = np.sqrt((np.abs(scan.noise) ** 2).mean(axis=1))
        noise = (scan.noise.shape[1], float(sigma.min()), float(sigma.max()))
    return Inspection(tuple(scans), centre, noise, tuple(conflicts))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
