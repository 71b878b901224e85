"""Samples of k-space anywhere: the non-uniform Fourier transform, by mri-nufft with finufft (extra `noncartesian`)."""

import math
import warnings
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.errors import InputError
from rsd_mri.operators.linear_operator import LinearOperator, require_complex, require_rank
from rsd_mri.operators.self_adjoint import apply_linear
from rsd_mri.operators.toeplitz import Toeplitz
from rsd_mri.operators.transform import Transform

PRECISION = {torch.complex64: 1e-6, torch.complex128: 1e-13}
"""Relative error asked of the library."""
PIPE_ITERATIONS = 20
"""Fixed-point iterations of the density compensation."""


class NonUniformFFT(Transform):
    """From images to the samples of a trajectory; on a Cartesian one equal to `fft2c`.

    Parameters
    ----------
    points
        [sample, shot, 2], real: where each sample lies along (readout, phase_encode), in cycles per field of view:
        -n / 2 to n / 2 for an image of n pixels.
    size
        (readout, phase_encode) of the images.
    density
        [sample, shot], as `pipe_menon` gives it, where it is known.

    Raises
    ------
    ValueError
        If the points have another shape.
    """

    def __init__(self, points: Tensor, size: tuple[int, int], density: Tensor | None = None) -> None:
        require_rank(points, 3, "sample, shot, 2", "NonUniformFFT")
        if points.shape[-1] != 2:
            raise ValueError(f"NonUniformFFT expects two coordinates a sample, got shape {list(points.shape)}")
        self.points = points
        self.size = (int(size[0]), int(size[1]))
        self.density = density
        self._plans: dict[tuple[Any, ...], Any] = {}

    def kspace_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(sample, shot) of the trajectory."""
        if tuple(size) != self.size:
            raise ValueError(f"the trajectory is for images of {self.size}, got {tuple(size)}")
        return int(self.points.shape[0]), int(self.points.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        """Images [batch, coil, readout, phase_encode] to samples [batch, coil, sample, shot]."""
        require_rank(x, 4, "batch, coil, readout, phase_encode", "NonUniformFFT")
        require_complex(x, "NonUniformFFT")
        if tuple(x.shape[-2:]) != self.size:
            raise ValueError(f"NonUniformFFT is for images of {self.size}, got shape {list(x.shape)}")
        return apply_linear(x, self._forward, self._adjoint)

    def adjoint(self, y: Tensor) -> Tensor:
        """Samples to images."""
        require_rank(y, 4, "batch, coil, sample, shot", "NonUniformFFT.H")
        require_complex(y, "NonUniformFFT.H")
        if tuple(y.shape[-2:]) != tuple(self.points.shape[:2]):
            raise ValueError(f"{list(y.shape)} does not fit a trajectory of {list(self.points.shape)}")
        return apply_linear(y, self._adjoint, self._forward)

    def to(self, *args: Any, **kwargs: Any) -> "NonUniformFFT":
        """Return a copy with every constant moved as by `Tensor.to`."""
        moved = cast(NonUniformFFT, super().to(*args, **kwargs))
        moved._plans = {}
        return moved

    def normal(self, mask: Tensor, dtype: torch.dtype) -> LinearOperator:
        """F^H M F as a convolution on a grid of twice the size; its kernel is the adjoint of the mask."""
        double = tuple(2 * n for n in self.size)
        shape = (mask.shape[0], 1, *self.points.shape[:2])
        if mask.device.type == "meta":
            return Toeplitz(torch.empty(mask.shape[0], *double, dtype=dtype, device="meta"))
        wide = NonUniformFFT(2 * self.points.double(), (double[0], double[1]))
        # Twice: the transform divides by the root of the pixels, of the wide grid, once.
        kernel = wide._adjoint(mask.expand(shape).to(torch.complex128)) * (2 / math.sqrt(math.prod(self.size)))
        return Toeplitz.of_kernel(kernel[:, 0], dtype)

    def bound(self, normal: LinearOperator) -> float:
        """The largest eigenvalue of the convolution."""
        if not isinstance(normal, Toeplitz):
            raise TypeError(f"expected the Toeplitz of this transform, got {type(normal).__name__}")
        return normal.bound()

    def balanced(self) -> "tuple[Transform, Tensor | None]":
        """Every sample weighted by the cells it stands for, at most one."""
        if self.density is None:
            return self, None
        weights = self.density.clamp(max=1).sqrt()
        return Weighted(self, weights), weights

    def cells(self, mask: Tensor) -> Tensor:
        """The cells of the grid nearest to the samples."""
        found = torch.zeros(mask.shape[0], 1, *self.size, dtype=torch.bool, device=mask.device)
        nearest = self.points.to(mask.device).round().long()
        rows, columns = (nearest[..., i] + n // 2 for i, n in enumerate(self.size))
        inside = (rows >= 0) & (rows < self.size[0]) & (columns >= 0) & (columns < self.size[1])
        measured = mask.expand(-1, 1, *inside.shape) & inside
        for item, one in enumerate(measured[:, 0]):
            found[item, 0, rows[one], columns[one]] = True
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Without the library's plans, which hold pointers."""
        return {**vars(self), "_plans": {}}

    @property
    def _scale(self) -> float:
        return 1 / math.sqrt(math.prod(self.size))

    def _forward(self, x: Tensor) -> Tensor:
        shape = (*x.shape[:2], *self.points.shape[:2])
        if x.device.type == "meta":
            return x.new_empty(shape)
        plan, on = self._plan(x)
        samples = plan.op(on.take(x.detach().reshape(1, -1, *self.size)))
        return on.give(samples, x).reshape(shape) * (float(plan.norm_factor) * self._scale)

    def _adjoint(self, y: Tensor) -> Tensor:
        shape = (*y.shape[:2], *self.size)
        if y.device.type == "meta":
            return y.new_empty(shape)
        plan, on = self._plan(y)
        images = plan.adj_op(on.take(y.detach().reshape(1, y.shape[0] * y.shape[1], -1)))
        return on.give(images, y).reshape(shape) * (float(plan.norm_factor) * self._scale)

    def _plan(self, like: Tensor) -> "tuple[Any, Backend]":
        """The library's operator for so many images of this type, and where it computes."""
        on, count = Backend.of(like.device), like.shape[0] * like.shape[1]
        key = (on, like.dtype, count)
        if key not in self._plans:
            points = cycles(self.points, self.size).astype(np.float32 if like.dtype == torch.complex64 else np.float64)
            self._plans[key] = on.operator(
                points, self.size, n_coils=count, squeeze_dims=False, eps=PRECISION[like.dtype], **on.options()
            )
        return self._plans[key], on


class Weighted(Transform):
    """A transform whose samples are multiplied by weights [sample, shot]."""

    def __init__(self, transform: Transform, weights: Tensor) -> None:
        self.inner, self.weights = transform, weights
        density = transform.density
        # Weighted samples stand for as much as they did.
        self.density = (
            None if density is None else density / weights.square().clamp_min(torch.finfo(weights.dtype).tiny)
        )

    def kspace_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """That of the inner transform."""
        return self.inner.kspace_size(size)

    def forward(self, x: Tensor) -> Tensor:
        """Images to weighted samples."""
        return self.inner.forward(x) * self.weights.to(x.real.dtype)

    def adjoint(self, y: Tensor) -> Tensor:
        """Samples, weighted, to images."""
        return self.inner.adjoint(y * self.weights.to(y.real.dtype))

    def normal(self, mask: Tensor, dtype: torch.dtype) -> LinearOperator:
        """That of the squared weights."""
        return self.inner.normal(mask * self.weights.square(), dtype)

    def bound(self, normal: LinearOperator) -> float:
        """As of the inner transform."""
        return self.inner.bound(normal)

    def cells(self, mask: Tensor) -> Tensor:
        """Those of the samples."""
        return self.inner.cells(mask)


@dataclass(frozen=True)
class Backend:
    """Where the library computes: on a processor with arrays of NumPy, on an NVIDIA GPU with those of torch."""

    name: str
    gpu: int = 0
    """Number of the GPU."""

    @classmethod
    def of(cls, device: torch.device) -> "Backend":
        """The one for tensors on a device: a GPU's where the library has it, else the processor's."""
        if device.type == "cuda" and mrinufft().check_backend("cufinufft"):
            return cls("cufinufft", device.index or 0)
        return cls("finufft")

    def operator(self, points: NDArray[Any], size: tuple[int, int], **options: Any) -> Any:
        """An operator of the library."""
        with warnings.catch_warnings():
            # It says that it takes points within half a cycle a pixel for what they are.
            warnings.filterwarnings("ignore", "Samples will be rescaled")
            return mrinufft().get_operator(self.name)(points, size, **options)

    def options(self) -> dict[str, int]:
        """What is asked of the library beyond the transform."""
        return {"nthreads": torch.get_num_threads()} if self.name == "finufft" else {"gpu_device_id": self.gpu}

    def take(self, x: Tensor) -> Any:
        """A tensor as the library takes it."""
        x = x.resolve_conj().contiguous()
        return x if self.name == "cufinufft" else x.cpu().numpy()

    def give(self, array: Any, like: Tensor) -> Tensor:
        """What the library returned, where the tensors are."""
        return torch.as_tensor(array).to(like.device)


def mrinufft() -> Any:
    """The library.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import finufft  # noqa: F401 - without it the library has no operator
        import mrinufft as library
    except ImportError as error:
        raise InputError(
            "a trajectory that is not Cartesian needs mri-nufft and finufft; "
            "install them with pip install 'rsd-mri[noncartesian]'"
        ) from error
    return library


def cycles(points: Tensor, size: tuple[int, int]) -> NDArray[np.float64]:
    """Points in cycles per field of view to cycles per pixel, [point, 2], within -1/2 and 1/2.

    Pixels lie on whole numbers, so that a whole cycle a pixel more is the same wave.
    """
    per_pixel = points.reshape(-1, 2).double().cpu().numpy() / np.asarray(size)
    return np.ascontiguousarray(per_pixel - np.round(per_pixel))


def pipe_menon(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Density compensation by fixed-point iteration (Pipe and Menon 1999), the library's.

    doi:10.1002/(SICI)1522-2594(199901)41:1<179::AID-MRM25>3.0.CO;2-V.

    Parameters
    ----------
    points, size
        As for `NonUniformFFT`.

    Returns
    -------
    Tensor
        [sample, shot]: cells of the Cartesian grid that each sample stands for. Where k-space is sampled densely,
        A^H density A is one.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Samples will be rescaled")
        found = (
            mrinufft()
            .get_operator("finufft")
            .pipe(cycles(points, size).astype(np.float32), size, max_iter=PIPE_ITERATIONS, normalize=False)
        )
    density = torch.from_numpy(np.abs(found).astype(np.float32)).reshape(points.shape[:2])
    # Scaled so that a smooth image, whose k-space is narrow, keeps its size.
    axes = [torch.arange(n) / n - (n // 2) / n for n in size]
    smooth = torch.exp(-50 * (axes[0][:, None] ** 2 + axes[1] ** 2))[None, None].to(torch.complex64)
    transform = NonUniformFFT(points.float(), size)
    back = transform.adjoint(density * transform.forward(smooth))
    return density * float(smooth.abs().square().sum() / (smooth.conj() * back).real.sum())
