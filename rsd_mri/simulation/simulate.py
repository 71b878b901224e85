"""Simulated scans: an anatomy, a contrast, coils and noise give a `Scan`."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import NonUniformFFT, fft2c
from rsd_mri.protocol import DataSettings
from rsd_mri.scan.geometry import Geometry
from rsd_mri.scan.middle import centre_slice
from rsd_mri.scan.patterns import SamplingPattern
from rsd_mri.scan.scan import Scan
from rsd_mri.simulation.anatomy import Anatomy, draw_anatomy, paint
from rsd_mri.simulation.atlas import Volume
from rsd_mri.simulation.contrast import Contrast, draw_signals
from rsd_mri.simulation.fields import smooth_fields, uniform
from rsd_mri.simulation.moving import STILL, Moving, Pose
from rsd_mri.simulation.receive import CoilArray, draw_coils

Plane = Literal["axial", "sagittal", "coronal"]
NOISE_SAMPLES = 2048

# Readout (rows), phase-encode (columns) and slice direction in MNI axes (x right, y front, z up): patient's
# right on the left of the picture, as radiologists look at it.
_DIRECTIONS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "axial": ((0, -1, 0), (-1, 0, 0), (0, 0, 1)),
    "sagittal": ((0, 0, -1), (0, -1, 0), (-1, 0, 0)),
    "coronal": ((0, 0, -1), (-1, 0, 0), (0, 1, 0)),
}
# Where the middle slice may lie and how far the slices reach [mm], along the slice direction.
_REACH = {"axial": ((-5.0, 25.0), 80.0), "sagittal": ((-15.0, 15.0), 80.0), "coronal": ((-15.0, 15.0), 90.0)}
_CENTRES = {"axial": (0.0, -14.0, 0.0), "sagittal": (0.0, -14.0, 2.0), "coronal": (0.0, -14.0, 2.0)}
_PREFIX = {"axial": "AX", "sagittal": "SAG", "coronal": "COR"}


@dataclass(frozen=True)
class Head:
    """All that is drawn once per case: the person, the contrast, the coils and where the slices lie."""

    anatomy: Anatomy
    signals: dict[str, float]
    contrast: Contrast
    coils: CoilArray
    plane: Plane
    centres: Tensor
    """[slice, 3]: centres of the slices [mm]."""
    spacing: float
    """Between slices [mm]."""
    thickness: float
    """Of a slice [mm]."""
    field_of_view: float
    """Along the readout [mm]."""
    phase: Tensor
    """[6]: polynomial of the object's phase over the slice [rad]."""
    phase_field: Volume
    """The smooth remainder of the phase, of standard deviation about 1."""


def draw_head(
    seed: int,
    case: int | str,
    n_slices: int,
    n_coils: int,
    *,
    contrast: Contrast | None = None,
    plane: Plane | None = None,
    noise_correlation: float = 0.0,
) -> Head:
    """Draw a case.

    Parameters
    ----------
    seed, case
        What the draws are keyed by.
    n_slices, n_coils
        How many.
    contrast, plane
        Drawn where not given: T2, T1, FLAIR and PD in the order of their frequency, axial four times in five.
    noise_correlation
        As `draw_coils` takes it.
    """
    rng = generator(seed, case, "case")
    # Drawn even where it is given, so that the rest of the case does not depend on that.
    drawn_contrast: Contrast = ("T1", "T2", "FLAIR", "PD")[_choice((0.3, 0.4, 0.2, 0.1), rng)]
    drawn_plane: Plane = ("axial", "sagittal", "coronal")[_choice((0.8, 0.1, 0.1), rng)]
    contrast, plane = contrast or drawn_contrast, plane or drawn_plane
    for name, one, known in (("contrast", contrast, get_args(Contrast)), ("plane", plane, get_args(Plane))):
        if one not in known:
            raise InputError(f"{name} {one}: expected one of {', '.join(known)}")
    (low, high), reach = _REACH[plane]
    # Many slices get thin, so that all of them lie in the head.
    spacing = min(reach / n_slices, 20.0)
    thickness = min(float(uniform(rng, 2.0, 4.0)), spacing)
    offsets = float(uniform(rng, low, high)) + spacing * (torch.arange(n_slices) - (n_slices - 1) / 2)
    return Head(
        anatomy=draw_anatomy(generator(seed, case, "anatomy")),
        signals=draw_signals(contrast, generator(seed, case, "contrast")),
        contrast=contrast,
        coils=draw_coils(n_coils, noise_correlation, generator(seed, case, "coils")),
        plane=plane,
        centres=torch.tensor(_CENTRES[plane])
        + offsets[:, None] * torch.tensor(_DIRECTIONS[plane][2], dtype=torch.float32),
        spacing=spacing,
        thickness=thickness,
        field_of_view=float(uniform(rng, 236, 256)),
        phase=uniform(rng, -1, 1, 6) * torch.tensor([math.pi, 1.2, 1.2, 0.5, 0.5, 0.5]),
        phase_field=smooth_fields((40.0,), generator(seed, case, "phase")),
    )


def in_one_slab(head: Head, step: float) -> Head:
    """The head with its slices side by side, each as thick as it is far from the next: the positions of a readout."""
    count = len(head.centres)
    steps = step * (torch.arange(count) - (count - 1) / 2)
    direction = torch.tensor(_DIRECTIONS[head.plane][2], dtype=torch.float32)
    return replace(head, centres=head.centres.mean(0) + steps[:, None] * direction, spacing=step, thickness=step)


def _choice(weights: tuple[float, ...], rng: torch.Generator) -> int:
    return int(torch.multinomial(torch.tensor(weights), 1, generator=rng))


def voxel_size(head: Head, size: tuple[int, int]) -> tuple[float, float]:
    """Voxel size along (readout, phase_encode) [mm]: square, unless the head would then not fit."""
    readout = head.field_of_view / size[0]
    width = {"axial": 205.0, "sagittal": 236.0, "coronal": 205.0}[head.plane]
    return readout, max(readout, width / size[1])


def render_object(
    head: Head, index: int, size: tuple[int, int], voxel: tuple[float, float], pose: Pose = STILL
) -> Tensor:
    """Render the object of one slice, complex [readout, phase_encode]: mean signal and phase of each voxel.

    The anatomy is painted on a grid of 1.3 mm or finer and over the thickness of the slice, then averaged.

    Parameters
    ----------
    head
        From `draw_head`.
    index
        Slice.
    size, voxel
        (readout, phase_encode) in pixels, and of a pixel [mm].
    pose
        How the head lies in the plane.
    """
    directions = torch.tensor(_DIRECTIONS[head.plane], dtype=torch.float32)
    fine = [max(2, math.ceil(v / 1.3)) for v in voxel]
    rows, columns = (
        ((torch.arange(n * f) + 0.5) / f - 0.5 - n // 2) * v for n, f, v in zip(size, fine, voxel, strict=True)
    )
    u, v = pose.origin(rows[:, None, None], columns[:, None])
    plane = head.centres[index] + u * directions[0] + v * directions[1]
    total = torch.zeros(size)
    layers = max(1, round(head.thickness / 1.5))
    for layer in range(layers):
        depth = head.thickness * ((layer + 0.5) / layers - 0.5)
        signal = paint(head.anatomy, head.signals, plane + depth * directions[2])
        # The body coil excites no further than the neck.
        signal = signal * torch.sigmoid((plane[..., 2] + 105) / 8)
        total += torch.nn.functional.avg_pool2d(signal[None], tuple(fine))[0] / layers
    points = torch.nn.functional.avg_pool2d(plane.movedim(-1, 0), tuple(fine)).movedim(0, -1)
    u, v = (torch.tensordot(points, d, dims=1) / 100 for d in directions[:2])
    a = head.phase
    phase = a[0] + a[1] * u + a[2] * v + a[3] * u * v + a[4] * u**2 + a[5] * v**2
    return torch.polar(total, phase + 0.25 * head.phase_field.sample(points)[0])


def fold(images: Tensor, phase_encode: int) -> Tensor:
    """Put images [..., wide] into a field of view of `phase_encode` columns: what lies outside it wraps."""
    wide = images.shape[-1]
    lines = torch.arange(wide) - wide // 2 + phase_encode // 2
    folded = torch.zeros(*images.shape[:-1], phase_encode, dtype=images.dtype)
    return folded.index_add_(-1, lines % phase_encode, images)


def simulate_slice(
    head: Head, index: int, size: tuple[int, int], fov: float = 1.0, pose: Pose = STILL
) -> tuple[Tensor, Tensor, Tensor]:
    """Simulate one slice without noise.

    Parameters
    ----------
    head
        The case, from `draw_head`.
    index
        Which slice.
    size
        (readout, phase_encode).
    fov
        Share of the whole field of view along the phase encoding; below about 0.65 an axial head wraps.
    pose
        How the head lies; the coils stay.

    Returns
    -------
    kspace
        [coil, readout, phase_encode].
    csm
        [coil, readout, phase_encode], of unit root sum of squares.
    image
        [readout, phase_encode], complex: object times the array's shading. With `fov` = 1,
        `kspace = fft2c(csm * image)`; with less, `image` and `csm` show what lies inside the field of view.
    """
    readout, phase_encode = size
    voxel = voxel_size(head, size)
    voxel = (voxel[0], voxel[1] * fov)
    # A wider grid of the same voxels holds the whole head; its centre stays at n // 2.
    wide = (readout, max(phase_encode, math.ceil(phase_encode / fov)))
    obj = render_object(head, index, wide, voxel, pose)
    directions = torch.tensor(_DIRECTIONS[head.plane], dtype=torch.float32)
    rows, columns = (torch.tensor([0, n - 1]) - n // 2 for n in wide)
    corners = (
        head.centres[index]
        + (rows * voxel[0])[:, None, None] * directions[0]
        + (columns * voxel[1])[:, None] * directions[1]
    )
    raw = head.coils.sensitivities(corners, wide)
    shading = raw.abs().square().sum(0).sqrt()
    window = centre_slice(wide[1], phase_encode)
    return fft2c(fold(raw * obj, phase_encode)), (raw / shading)[..., window], (shading * obj)[..., window]


def simulate_scan(
    settings: DataSettings,
    seed: int,
    case: int | str,
    *,
    size: tuple[int, int] | None = None,
    contrast: Contrast | None = None,
    plane: Plane | None = None,
    fov: float = 1.0,
    noise_correlation: float = 0.0,
    pattern: SamplingPattern | None = None,
    trajectory: NDArray[np.float32] | None = None,
    slab: bool | float = False,
    moving: Moving | None = None,
    progress: Progress = SILENT,
) -> tuple[Scan, NDArray[np.complex64]]:
    """Simulate a scan of a head that only this seed and case give.

    Anatomy, contrast, coils, phase and noise are keyed by (seed, case, slice).

    Parameters
    ----------
    settings
        `slices`, `matrix`, `coils` and `noise` are used: the k-space noise is CN(0, noise^2), the
        brightest tissue being 1 before the coils' shading (of about 1).
    seed, case
        What the draws are keyed by.
    size
        (readout, phase_encode), where it is not (matrix, matrix).
    contrast, plane
        `T1`, `T2`, `FLAIR` or `PD`; `axial`, `sagittal` or `coronal`. Drawn where not given.
    fov
        Share of the whole field of view along the phase encoding; below about 0.65 an axial head wraps.
    noise_correlation
        0 for white noise; about 0.3 for coils as they are before prewhitening.
    pattern
        What is acquired; everything where not given.
    trajectory
        [sample, shot, 2] in cycles per field of view, in place of a pattern and of the whole grid.
    slab
        A 3-D acquisition, transformed along its readout: the slices are the readout's positions, their axes two phase
        encodes. Of cubic voxels; a number is how many times as long as wide they are along the readout.
    moving
        The head lies otherwise in each segment of the lines; the image is that of the pose without motion.
    progress
        Told the share done.

    Returns
    -------
    scan
        With noise-only samples in `scan.noise`.
    image
        [slice, readout, phase_encode]: the noiseless image; its magnitude is the root sum of squares of the
        coil images.

    Raises
    ------
    InputError
        If a size or a level makes no scan.
    """
    size = size or (settings.matrix, settings.matrix)
    if min(size) < 8 or settings.coils < 1 or settings.slices < 1:
        raise InputError(
            f"data: cannot simulate {settings.slices} slices of {size[0]}x{size[1]} with {settings.coils} "
            "coils; take at least 1 slice, 8x8 pixels and 1 coil"
        )
    if not (settings.noise >= 0 and 0 < fov <= 1):
        raise InputError(
            "data: expected a noise of 0 or more and a field of view above 0 and at most 1, got "
            f"{settings.noise:g} and {fov:g}"
        )
    if trajectory is not None and (pattern is not None or fov != 1):
        raise InputError("data: a trajectory covers the whole field of view, and takes no pattern; leave fov at 1")
    if moving is not None and trajectory is not None:
        raise InputError("data: the head moves between segments of lines or points; leave the trajectory out")
    head = draw_head(
        seed, case, settings.slices, settings.coils,
        contrast=contrast, plane=plane, noise_correlation=noise_correlation,
    )  # fmt: skip
    if slab:
        head = in_one_slab(head, float(slab) * voxel_size(head, size)[0])
    measured = size if trajectory is None else (trajectory.shape[0], trajectory.shape[1])
    mask = torch.ones(measured[1], dtype=torch.bool) if pattern is None else pattern.mask
    segments = None if moving is None else moving.segments(mask.numpy())
    poses = None if moving is None or segments is None else moving.poses(segments, seed, case)
    kspace, images = [], []
    for index, _ in progress.each(range(settings.slices)):
        clean, csm, image = simulate_slice(head, index, size, fov)
        if trajectory is not None:
            transform = NonUniformFFT(torch.from_numpy(trajectory), size)
            clean = transform.forward((csm * image)[None])[0]
        if poses is not None and segments is not None:
            for number, pose in enumerate(poses):
                moved, _, _ = simulate_slice(head, index, size, fov, pose)
                lines = torch.from_numpy(segments == number)
                clean[..., lines] = moved[..., lines]
        noise = head.coils.noise(measured, generator(seed, case, index, "noise"))
        kspace.append((clean + settings.noise * noise) * mask)
        images.append(image)
    samples = settings.noise * head.coils.noise((NOISE_SAMPLES,), generator(seed, case, "noise scan"))
    prefix = _PREFIX[head.plane]
    return Scan(
        kspace=torch.stack(kspace).numpy(),
        mask=mask.numpy(),
        mask_source="full" if pattern is None and trajectory is None else "file",
        source=Path(f"simulated-{seed}-{case}.h5"),
        format="simulated",
        noise=samples.numpy(),
        image_size=size,
        acquired_at=(0, size[1]) if trajectory is None else None,
        trajectory=trajectory,
        segments=segments,
        geometry=_geometry(head, size, fov),
        attributes={"acquisition": f"{prefix}{head.contrast}", "patient_id": f"simulated-{seed}-{case}"},
    ), torch.stack(images).numpy()


def _geometry(head: Head, size: tuple[int, int], fov: float) -> Geometry:
    readout, phase_encode = voxel_size(head, size)

    def lps(v: tuple[float, float, float]) -> tuple[float, float, float]:
        return (-v[0], -v[1], v[2])

    read, phase, normal = (lps(d) for d in _DIRECTIONS[head.plane])
    return Geometry(
        voxel_size=(readout, phase_encode * fov, head.thickness),
        slice_gap=head.spacing - head.thickness,
        read_direction=read,
        phase_direction=phase,
        slice_direction=normal,
        positions=tuple(lps((x, y, z)) for x, y, z in head.centres.tolist()),
    )
