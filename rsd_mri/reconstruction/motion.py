"""Rigid motion in the plane between the segments of a scan, found in its own data.

Several coils see each point of k-space more than once: lines of different segments have to agree on one image. Poses
are those of the least misfit of an image of low resolution (Cordero-Grande et al. 2016, doi:10.1109/TCI.2016.2557069),
which is solved for with them: Gauss-Newton steps on the misfit that is left with the best image (variable projection).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.coils.acs import without_oversampling
from rsd_mri.operators import MovingSense, Rigid, fft2c
from rsd_mri.operators.conjugate_gradient import conjugate_gradient
from rsd_mri.preparation.prepare import maps_of
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.scan.middle import centre_window
from rsd_mri.scan.segments import reference_of

WINDOW = 48
"""Points of k-space around its centre that are looked at, along both axes."""
ROUNDS = 3
"""Of poses, and of the coil maps that they give: lines that moved spoil the centre the maps are from."""
STEPS, CONVERGED = 10, 0.01
"""Gauss-Newton steps at most, and the largest change of a pose after which there are no more [pixels]."""
SOLVES, TOLERANCE = 20, 1e-3
"""Iterations of conjugate gradients for the image, and for the derivative."""
FLOOR = 1e-2
"""Weight of the coil images themselves where the calibration region is moved back."""
DIFFERENCE = 0.02
"""Step of the derivative by differences [pixels]."""
HEAD = 80.0
"""Distance from the centre at which a rotation counts as a shift [mm]."""
MISFIT, REACH = 1.1, 0.5
"""What is motion and no chance: the least gain of misfit, and displacement [mm]; measured in docs/choices.md."""
POSES = 3


@dataclass(frozen=True)
class Motion:
    """Poses of the segments of one slice, and what speaks for them."""

    shifts: NDArray[np.float64]
    """[segment, 2]: along readout and phase encoding [mm]."""
    angles: NDArray[np.float64]
    """[segment]: as `Rigid` takes them [rad]."""
    misfit: float
    """Of the low-resolution image without motion, over that with it, both to the data; 1 where nothing is explained."""
    calibration: NDArray[np.complex64] | None = None
    """[coil, readout, phase_encode]: the calibration region with its lines moved back, where it is of moved lines."""

    @property
    def found(self) -> bool:
        """Whether the data speak for it."""
        return self.misfit > MISFIT and self.reach > REACH

    @property
    def reach(self) -> float:
        """Largest displacement of a point at `HEAD` millimetres between two segments [mm]."""
        span = np.ptp(np.column_stack([self.shifts, HEAD * self.angles]), axis=0)
        return float(np.sqrt(np.square(span).sum()))


def find_motion(prepared: PreparedScan, index: int) -> Motion:
    """Estimate the pose of each segment of a slice.

    Parameters
    ----------
    prepared
        Of a Cartesian scan whose segments are known, with a fully sampled centre or a calibration scan.
    index
        Slice.
    """
    volume = prepared.volume
    whole = _virtual(prepared, index)
    lines = _Lines.of(prepared, without_oversampling(whole, volume.n_readout), WINDOW)
    found: tuple[Tensor, float] | None = None
    calibration = volume.calibration[index]
    for _ in range(ROUNDS):
        csm = low_resolution_maps(prepared, calibration, lines.size)
        poses, misfit = _Fit(lines, csm, max(volume.sigma, 1e-3)).solve(None if found is None else found[0])
        found = poses, misfit if found is None else found[1]
        motion = _motion(lines, *found, None)
        if not motion.found or not _of_these_lines(prepared):
            return motion
        calibration = _moved_back(prepared, whole, motion)
    return replace(motion, calibration=calibration)


def calibration_of(prepared: PreparedScan, index: int, motion: Motion) -> NDArray[np.complex64]:
    """The calibration region of a slice, [coil, readout, phase_encode], its lines moved back where they moved."""
    if not _of_these_lines(prepared):
        kept: NDArray[np.complex64] = prepared.volume.calibration[index]
        return kept
    return _moved_back(prepared, _virtual(prepared, index), motion)


def _of_these_lines(prepared: PreparedScan) -> bool:
    """Whether what the maps are from is a fully sampled centre of the lines that moved."""
    have, wanted = prepared.volume.acs, prepared.volume.calibration.shape[-2:]
    axes = (1,) if prepared.scan.mask.ndim == 1 else (0, 1)
    return prepared.scan.calibration is None and all(have[axis] >= wanted[axis] for axis in axes)


def _virtual(prepared: PreparedScan, index: int) -> NDArray[np.complex64]:
    """K-space of a slice in virtual coils, readout oversampling and all."""
    scan = prepared.scan
    return prepared.volume.virtual(np.where(scan.mask, scan.kspace[index], 0))


@dataclass(frozen=True)
class _Lines:
    """The centre of k-space, and which of its lines were measured together."""

    kspace: Tensor
    """[1, coil, readout, phase_encode]."""
    mask: Tensor
    segments: Tensor
    count: int
    reference: int
    pixel: NDArray[np.float64]
    """Pixel size of the grid (readout, phase_encode) [mm]."""

    @classmethod
    def of(cls, prepared: PreparedScan, kspace: NDArray[np.complex64], window: int) -> "_Lines":
        """Cut the centre out of k-space [coil, readout, phase_encode], oversampled along the readout or not."""
        scan = prepared.scan
        if scan.segments is None:
            raise ValueError(f"{scan.source}: its segments are not known")
        whole = kspace.shape[-2:]
        over = whole[0] / prepared.volume.n_readout
        size = (min(whole[0], round(window * over)), min(whole[1], window))
        rows, columns = centre_window(whole, size)
        return cls(
            torch.from_numpy(np.ascontiguousarray(kspace[:, rows, columns]))[None],
            torch.from_numpy(np.ascontiguousarray(_cut(scan.mask, rows, columns))),
            torch.from_numpy(_cut(scan.segments, rows, columns).astype(np.int64)),
            int(scan.segments.max()) + 1,
            reference_of(scan.segments),
            np.asarray(voxel_of(prepared)) * whole / np.asarray(size),
        )

    @property
    def size(self) -> tuple[int, int]:
        return self.kspace.shape[-2], self.kspace.shape[-1]

    @property
    def aspect(self) -> float:
        return float(self.pixel[0] / self.pixel[1])


def _cut(array: NDArray[Any], rows: slice, columns: slice) -> NDArray[Any]:
    """The centre of what is said of lines [phase_encode] or of points [readout, phase_encode]."""
    return array[columns] if array.ndim == 1 else array[rows, columns]


def _motion(lines: _Lines, poses: Tensor, misfit: float, calibration: NDArray[np.complex64] | None) -> Motion:
    found = poses.numpy()
    return Motion(found[:, :2] * lines.pixel, found[:, 2], misfit, calibration)


def _moved_back(prepared: PreparedScan, whole: NDArray[np.complex64], motion: Motion) -> NDArray[np.complex64]:
    """The calibration region as it would be without motion, coil by coil: maps are smooth, and are moved little."""
    volume = prepared.volume
    oversampled = volume.map_readout > volume.n_readout
    kspace = whole if oversampled else without_oversampling(whole, volume.n_readout)
    lines = _Lines.of(prepared, kspace, WINDOW)
    poses = torch.from_numpy(np.column_stack([motion.shifts / lines.pixel, motion.angles])).float()
    one = torch.ones(1, 1, *lines.size, dtype=torch.complex64)
    operator = MovingSense(one, lines.mask, lines.segments, poses, lines.aspect)
    coils = lines.kspace[0][:, None]
    gram, weight = operator.gram, FLOOR
    images = conjugate_gradient(lambda v: gram(v) + weight * v, operator.adjoint(coils), None, SOLVES, TOLERANCE)
    shape = volume.calibration.shape[-2:]
    rows, columns = centre_window(lines.size, shape)
    return np.ascontiguousarray(fft2c(images)[:, rows, columns].numpy())


def voxel_of(prepared: PreparedScan) -> tuple[float, float]:
    """Voxel size along (readout, phase_encode) [mm]; squares of one millimetre where it is not known."""
    voxel = prepared.scan.geometry.voxel_size
    return (1.0, 1.0) if voxel is None else (voxel[0], voxel[1])


def low_resolution_maps(prepared: PreparedScan, calibration: NDArray[np.complex64], size: tuple[int, int]) -> Tensor:
    """Coil maps of a calibration region on a coarse grid, everywhere: [1, coil, readout, phase_encode]."""
    volume = prepared.volume
    over = volume.map_readout / volume.n_readout
    # On the whole field of view along the readout, and cut as maps are.
    shared = replace(
        volume,
        calibration=calibration[None],
        widened=None,
        map_readout=round(size[0] * over),
        n_readout=size[0],
        n_sets=1,
    )
    return maps_of(shared, 0, size[1], replace(prepared.settings, crop=0.0)).csm


class _Fit:
    """Variable projection: misfit, image and step of one slice."""

    def __init__(self, lines: _Lines, csm: Tensor, sigma: float) -> None:
        self.kspace, self.csm, self.mask, self.segments = lines.kspace, csm, lines.mask, lines.segments
        self.count, self.aspect = lines.count, lines.aspect
        seen = torch.zeros(lines.count, dtype=torch.bool)
        seen[self.segments[self.mask.expand(self.segments.shape)]] = True
        seen[lines.reference] = False
        self.free = seen.nonzero().flatten()
        # An angle as the shift that it is a quarter of the window away from the centre.
        self.units = torch.tensor([1.0, 1.0, 4 / max(csm.shape[-2:])])
        power = float(self.kspace.abs().square().sum() / self.mask.float().mean() / self.kspace[0, 0].numel())
        self.weight = sigma**2 / max(power, 1e-12)

    def operator(self, poses: Tensor) -> MovingSense:
        return MovingSense(self.csm, self.mask, self.segments, poses, self.aspect)

    def image(self, operator: MovingSense, start: Tensor | None) -> Tensor:
        gram = operator.gram
        return conjugate_gradient(
            lambda v: gram(v) + self.weight * v, operator.adjoint(self.kspace), start, SOLVES, TOLERANCE
        )

    def solve(self, start: Tensor | None) -> tuple[Tensor, float]:
        """Poses [segment, 3] in pixels of the grid and radians, and how much more misfit there is at the start."""
        poses = torch.zeros(self.count, POSES) if start is None else start.float()
        operator = self.operator(poses)
        image = self.image(operator, None)
        first = best = self.misfit(operator, image)
        damping = 1e-2
        curvature: Tensor | None = None
        for _ in range(STEPS if len(self.free) else 0):
            derivative = self.derivative(operator, image)
            residual = self.kspace - operator.forward(image)
            gradient = torch.stack([(one.conj() * residual).real.sum() for one in derivative])
            if curvature is None:
                curvature = self.curvature(operator, derivative)
            damped = curvature + damping * torch.diag(curvature.diagonal())
            step = torch.zeros_like(poses)
            step[self.free] = torch.linalg.solve(damped, gradient).reshape(-1, POSES) * self.units
            tried = self.operator(poses + step)
            moved = self.image(tried, image)
            misfit = self.misfit(tried, moved)
            if misfit >= best:
                damping *= 10
                if damping > 1e3:
                    break
                continue
            poses, operator, image, best, damping = poses + step, tried, moved, misfit, damping / 3
            if float((step / self.units).abs().max()) < CONVERGED:
                break
        return poses.double(), first / best if best > 0 else 1.0

    def misfit(self, operator: MovingSense, image: Tensor) -> float:
        """||A x - y||^2 and the image's own term, which is what the solution makes smallest."""
        data = (operator.forward(image) - self.kspace).abs().square().sum()
        return float(data + self.weight * image.abs().square().sum())

    def derivative(self, operator: MovingSense, image: Tensor) -> list[Tensor]:
        """dA/dp x of each parameter of each free segment, [1, coil, readout, phase_encode]."""
        found = []
        for segment in self.free.tolist():
            lines = dict(operator.still)[segment]
            for parameter in range(POSES):
                h = torch.zeros(POSES)
                h[parameter] = DIFFERENCE * self.units[parameter]
                ends = torch.stack([operator.poses[segment] + h, operator.poses[segment] - h])
                moved = Rigid(ends, (image.shape[-2], image.shape[-1]), self.aspect).move(image)
                found.append(lines.forward((moved[:1] - moved[1:]) / (2 * DIFFERENCE)))
        return found

    def curvature(self, operator: MovingSense, derivative: list[Tensor]) -> Tensor:
        """Re D^H (1 - A (A^H A + w)^-1 A^H) D: what is left of a step when the image follows it."""
        flat = torch.cat(derivative).flatten(1)
        own = (flat.conj() @ flat.T).real
        back = torch.cat([operator.adjoint(one) for one in derivative])
        gram = operator.gram
        solved = conjugate_gradient(lambda v: gram(v) + self.weight * v, back, None, SOLVES, TOLERANCE)
        return own - (back.flatten(1).conj() @ solved.flatten(1).T).real
