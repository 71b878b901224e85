"""Rigid motion in the plane between the segments of a scan, found in its own data.

Several coils see each point of k-space more than once: lines of different segments have to agree on one image. Poses
are those of the least misfit of an image of low resolution (Cordero-Grande et al. 2016, doi:10.1109/TCI.2016.2557069),
which is solved for with them: Gauss-Newton steps on the misfit that is left with the best image (variable projection).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.coils.acs import centre_slice, without_oversampling
from rsd_mri.operators import MovingSense, Rigid
from rsd_mri.operators.conjugate_gradient import conjugate_gradient
from rsd_mri.preparation.prepare import maps_of
from rsd_mri.preparation.prepared_scan import PreparedScan

WINDOW = 48
"""Points of k-space around its centre that are looked at, along both axes."""
STEPS, CONVERGED = 8, 0.02
"""Gauss-Newton steps at most, and the largest change of a pose after which there are no more [pixels]."""
SOLVES, TOLERANCE = 20, 1e-3
"""Iterations of conjugate gradients for the image, and for the derivative."""
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

    @property
    def found(self) -> bool:
        """Whether the data speak for it."""
        return self.misfit > MISFIT and self.reach > REACH

    @property
    def reach(self) -> float:
        """Largest displacement of a point at `HEAD` millimetres between two segments [mm]."""
        span = np.ptp(np.column_stack([self.shifts, HEAD * self.angles]), axis=0)
        return float(np.sqrt(np.square(span).sum()))


def reference_of(segments: NDArray[np.int16]) -> int:
    """Segment of the measured line nearest to the centre: the image is that of its pose."""
    lines = np.flatnonzero(segments >= 0)
    return int(segments[lines[np.argmin(np.abs(lines - len(segments) // 2))]])


def find_motion(prepared: PreparedScan, index: int) -> Motion:
    """Estimate the pose of each segment of a slice.

    Parameters
    ----------
    prepared
        Of a Cartesian scan whose segments are known, with a fully sampled centre or a calibration scan.
    index
        Slice.
    """
    scan, volume = prepared.scan, prepared.volume
    if scan.segments is None:
        raise ValueError(f"{scan.source}: its segments are not known")
    size = (min(WINDOW, volume.n_readout), min(WINDOW, scan.size[1]))
    rows, columns = (centre_slice(n, w) for n, w in zip((volume.n_readout, scan.size[1]), size, strict=True))
    acquired = np.where(scan.mask, scan.kspace[index], 0)
    whole = np.einsum("vc,cyx->vyx", volume.forward, acquired, optimize=True).astype(np.complex64)
    kspace = torch.from_numpy(np.ascontiguousarray(without_oversampling(whole, volume.n_readout)[:, rows, columns]))
    mask, segments = scan.mask[columns], scan.segments[columns].astype(np.int64)
    low = low_resolution_maps(prepared, index, size)
    voxel = voxel_of(prepared)
    pixel = tuple(v * n / w for v, n, w in zip(voxel, (volume.n_readout, scan.size[1]), size, strict=True))
    fit = _Fit(
        kspace[None],
        low,
        torch.from_numpy(mask),
        torch.from_numpy(segments),
        int(scan.segments.max()) + 1,
        reference_of(scan.segments),
        pixel[0] / pixel[1],
        max(volume.sigma, 1e-3),
    )
    poses, misfit = fit.solve()
    found = poses.numpy()
    return Motion(found[:, :2] * pixel, found[:, 2], misfit)


def voxel_of(prepared: PreparedScan) -> tuple[float, float]:
    """Voxel size along (readout, phase_encode) [mm]; squares of one millimetre where it is not known."""
    voxel = prepared.scan.geometry.voxel_size
    return (1.0, 1.0) if voxel is None else (voxel[0], voxel[1])


def low_resolution_maps(prepared: PreparedScan, index: int, size: tuple[int, int]) -> Tensor:
    """Coil maps of a slice on a coarse grid, everywhere: [1, coil, readout, phase_encode]."""
    settings = replace(prepared.settings, crop=0.0)
    volume = replace(prepared.volume, map_readout=size[0], n_readout=size[0], n_sets=1)
    return maps_of(volume, index, size[1], settings).csm


class _Fit:
    """Variable projection: misfit, image and step of one slice."""

    def __init__(
        self,
        kspace: Tensor,
        csm: Tensor,
        mask: Tensor,
        segments: Tensor,
        count: int,
        reference: int,
        aspect: float,
        sigma: float,
    ) -> None:
        self.kspace, self.csm, self.mask, self.segments = kspace, csm, mask, segments
        self.count, self.aspect = count, aspect
        seen = torch.zeros(count, dtype=torch.bool)
        seen[segments[mask]] = True
        seen[reference] = False
        self.free = seen.nonzero().flatten()
        # An angle as the shift that it is a quarter of the window away from the centre.
        self.units = torch.tensor([1.0, 1.0, 4 / max(csm.shape[-2:])])
        power = float(kspace.abs().square().sum() / mask.float().mean() / kspace[0, 0].numel())
        self.weight = sigma**2 / max(power, 1e-12)

    def operator(self, poses: Tensor) -> MovingSense:
        return MovingSense(self.csm, self.mask, self.segments, poses, self.aspect)

    def image(self, operator: MovingSense, start: Tensor | None) -> Tensor:
        gram = operator.gram
        return conjugate_gradient(
            lambda v: gram(v) + self.weight * v, operator.adjoint(self.kspace), start, SOLVES, TOLERANCE
        )

    def solve(self) -> tuple[Tensor, float]:
        """Poses [segment, 3] in pixels of the grid and radians, and how much more misfit there is without them."""
        poses = torch.zeros(self.count, POSES)
        operator = self.operator(poses)
        image = self.image(operator, None)
        first = best = self.misfit(operator, image)
        damping, curvature = 1e-2, None
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
