"""ESPIRiT: coil maps from a fully sampled centre (Uecker et al. 2014, doi:10.1002/mrm.24751).

The steps are those of the paper. What differs is how they are computed: the kernels enter only through
their projector, whose image-domain form is a trigonometric polynomial of a few coefficients. It is evaluated
by two small matrix products, and its leading eigenvectors are found by a few steps of subspace iteration
that start from the exact ones on a coarse grid.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rsd_mri.operators.linear_operator import require_complex, require_rank

VANISHED = 1e-6
"""Share of a vector's energy outside another below which nothing is left of it, in single precision."""
COARSE = 4
"""Distance of the coarse grid's points [pixels]."""
STEPS = 4
"""Steps of subspace iteration from the coarse grid's eigenvectors."""
AT_ONCE = 1 << 18
"""Entries of the pixels' matrices that are worked on at once on a processor."""
NOISE_EDGE = 0.75
"""Where the singular values of noise are cut off, over the largest that white noise would give. Somewhat
below it, weak kernels of signal are kept too: the maps of noisy simulated scans are best there."""


@dataclass(frozen=True)
class CoilMaps:
    """Maps and eigenvalues of a batch of slices."""

    csm: Tensor
    """[batch, set, coil, readout, phase_encode] complex; sum over coils of |csm|^2 is 1 on the support of a
    set and 0 elsewhere."""
    eigenvalues: Tensor
    """[batch, set, readout, phase_encode] real, the largest first; 1 where the set explains the data."""


def espirit(
    calibration: Tensor,
    size: tuple[int, int],
    *,
    kernel_width: int = 6,
    threshold: float = 0.02,
    noise: float = 0.0,
    crop: float = 0.9,
    sets: int = 1,
    reference: Tensor | None = None,
    second_crop: float | None = None,
) -> CoilMaps:
    """Estimate coil sensitivity maps.

    Parameters
    ----------
    calibration
        Fully sampled centre of k-space, [batch, coil, readout, phase_encode] complex.
    size
        (readout, phase_encode) of the maps [pixels].
    kernel_width
        Width of the k-space kernels [points].
    threshold
        Singular values of the calibration matrix below this share of the largest are noise.
    noise
        Standard deviation of the complex noise of `calibration`; singular values that noise alone would
        give are noise too. 0 leaves the decision to `threshold`.
    crop
        A set is zero where its eigenvalue is below this.
    sets
        Sets of maps: 1 or 2.
    reference
        [coil] complex; the phase of a map is that relative to this combination of the coils. By default
        the principal component of the calibration data of each slice.
    second_crop
        `crop` of the second set; by default the same.

    Returns
    -------
    CoilMaps
        Zero maps where the calibration data are zero.

    Raises
    ------
    ValueError
        If the calibration region is smaller than the kernel, or shapes or `sets` do not fit.
    """
    require_rank(calibration, 4, "batch, coil, readout, phase_encode", "espirit")
    require_complex(calibration, "espirit")
    if min(calibration.shape[-2:]) < kernel_width:
        raise ValueError(f"calibration {list(calibration.shape)} is smaller than the kernel ({kernel_width})")
    n_coils = calibration.shape[1]
    if sets not in (1, 2) or sets > max(n_coils, 1):
        raise ValueError(f"sets must be 1, or 2 with at least two coils; got {sets} with {n_coils} coils")
    polynomial = kernel_polynomial(calibration, kernel_width, threshold, noise)
    if reference is None:
        reference = principal_coil(calibration)
    reference = reference.to(calibration).expand(len(calibration), n_coils)
    crops = torch.tensor([crop, crop if second_crop is None else second_crop][:sets], device=calibration.device)
    csm, values = [], []
    for item in range(len(calibration)):
        vectors, eigenvalues = leading_eigenpairs(polynomial[item], size, sets)
        phase = torch.einsum("c,ycs->ys", reference[item].conj(), vectors)
        magnitude = phase.abs()
        phase = torch.where(magnitude > 0, phase.conj() / magnitude.clamp_min(1e-30), torch.ones_like(phase))
        vectors = vectors * (phase * (eigenvalues > crops))[:, None]
        csm.append(vectors.permute(2, 1, 0).reshape(sets, n_coils, *size))
        values.append(eigenvalues.T.reshape(sets, *size))
    return CoilMaps(torch.stack(csm), torch.stack(values))


def principal_coil(calibration: Tensor) -> Tensor:
    """First principal component over the coils of each slice, [batch, coil], of unit length.

    Its own phase is fixed by the data (the strongest samples are real and positive on average), so that a
    unitary mixing of the coils changes nothing.
    """
    samples = calibration.flatten(2)
    covariance = (samples @ samples.mH).to(torch.complex128)
    vector = torch.linalg.eigh(covariance).eigenvectors[..., -1].to(calibration.dtype)
    combined = torch.einsum("bc,bcn->bn", vector.conj(), samples)
    turn = (combined * combined.abs()).sum(-1)
    turn = torch.where(turn.abs() > 0, turn / turn.abs().clamp_min(1e-30), torch.ones_like(turn))
    found: Tensor = vector * turn[:, None]
    return found


def kernel_polynomial(calibration: Tensor, kernel_width: int, threshold: float, noise: float = 0.0) -> Tensor:
    """Coefficients of the pixel-wise coil-by-coil matrices.

    Parameters
    ----------
    calibration
        [batch, coil, readout, phase_encode] complex.
    kernel_width, threshold, noise
        As for `espirit`.

    Returns
    -------
    Tensor
        [batch, 2 w - 1, 2 w - 1, coil, coil]: the matrix at position u (in fields of view from the centre)
        is the sum over d of coefficient[d] exp(2 pi i d u), with d from -(w - 1) to w - 1.
    """
    w = kernel_width
    batch, n_coils = calibration.shape[:2]
    peak = calibration.abs().amax(dim=(1, 2, 3), keepdim=True)
    unit = calibration / torch.where(peak > 0, peak, torch.ones_like(peak))
    # [batch, row, coil * w * w]: every w x w neighbourhood is a row of the calibration matrix.
    rows = unit.unfold(2, w, 1).unfold(3, w, 1).permute(0, 2, 3, 1, 4, 5).reshape(batch, -1, n_coils * w * w)
    # The right singular vectors are the eigenvectors of the Gram matrix, in double precision since it
    # squares the condition number.
    rows = rows.to(torch.complex128)
    squares, vectors = torch.linalg.eigh(rows.mH @ rows)
    largest = squares[:, -1:].clamp_min(0)
    floor = threshold**2 * largest
    if noise > 0:
        edge = NOISE_EDGE * noise * (math.sqrt(rows.shape[1]) + math.sqrt(rows.shape[2]))
        floor = torch.maximum(floor, (edge / peak[:, :, 0, 0].double().clamp_min(1e-300)) ** 2)
    kept = vectors * ((squares > floor) & (squares > 0))[:, None]
    projector = (kept @ kept.mH).conj().to(calibration.dtype).reshape(batch, n_coils, w, w, n_coils, w, w)
    out = calibration.new_zeros(batch, 2 * w - 1, 2 * w - 1, n_coils, n_coils)
    flipped = projector.flip(5, 6)
    for y in range(w):
        for x in range(w):
            out[:, y : y + w, x : x + w] += flipped[:, :, y, x].permute(0, 3, 4, 1, 2)
    return out / w**2


def pixel_matrices(polynomial: Tensor, readout: Tensor, phase_encode: Tensor) -> Tensor:
    """Evaluate the coil-by-coil matrices on a grid.

    Parameters
    ----------
    polynomial
        [2 w - 1, 2 w - 1, coil, coil], from `kernel_polynomial`.
    readout, phase_encode
        Positions along the two axes [fields of view from the centre], real.

    Returns
    -------
    Tensor
        [readout * phase_encode, coil, coil], Hermitian.
    """
    n, n_coils = polynomial.shape[0], polynomial.shape[-1]
    degree = torch.arange(n, device=polynomial.device) - n // 2

    def waves(positions: Tensor) -> Tensor:
        return torch.exp(2j * math.pi * positions[:, None].double() * degree).to(polynomial.dtype)

    along_readout = (waves(readout) @ polynomial.reshape(n, -1)).reshape(len(readout), n, -1)
    return torch.matmul(waves(phase_encode), along_readout).reshape(-1, n_coils, n_coils)


def leading_eigenpairs(polynomial: Tensor, size: tuple[int, int], count: int) -> tuple[Tensor, Tensor]:
    """Leading eigenvectors and eigenvalues of the matrices of every pixel.

    Returns
    -------
    vectors
        [pixel, coil, count], orthonormal.
    values
        [pixel, count], descending.
    """
    n_coils = polynomial.shape[-1]
    block = min(2, n_coils)
    device = polynomial.device
    # Each coarse point is the middle of a COARSE x COARSE block of pixels, whose start it gives.
    middle = (COARSE - 1) / 2
    grids = [torch.arange(math.ceil(n / COARSE), device=device) * COARSE + middle - n // 2 for n in size]
    coarse = pixel_matrices(polynomial, grids[0] / size[0], grids[1] / size[1])
    vectors = torch.linalg.eigh(coarse).eigenvectors[..., -block:].flip(-1)
    vectors = vectors.reshape(len(grids[0]), len(grids[1]), n_coils, block)
    owner = [torch.arange(n, device=device) // COARSE for n in size]
    pixels = [(torch.arange(n, device=device) - n // 2) / n for n in size]
    # A few rows at a time: their matrices stay in the cache of a processor, and memory is bounded.
    rows = max(AT_ONCE // (size[1] * n_coils**2), 1) if device.type == "cpu" else size[0]
    found, values = [], []
    for begin in range(0, size[0], rows):
        some = slice(begin, begin + rows)
        start = vectors[owner[0][some, None], owner[1]].reshape(-1, n_coils, block)
        matrices = pixel_matrices(polynomial, pixels[0][some], pixels[1])
        pair = subspace_iteration(matrices, start, count, STEPS)
        found.append(pair[0])
        values.append(pair[1])
    return torch.cat(found), torch.cat(values)


def subspace_iteration(matrices: Tensor, start: Tensor, count: int, steps: int) -> tuple[Tensor, Tensor]:
    """Leading eigenpairs of many small Hermitian positive matrices, two vectors at a time.

    Parameters
    ----------
    matrices
        [n, coil, coil].
    start
        [n, coil, 2] start vectors; [n, coil, 1] where there is one coil.
    count
        Eigenpairs wanted, 1 or 2.
    steps
        Products with the matrices.

    Returns
    -------
    vectors
        [n, coil, count].
    values
        [n, count], descending.
    """
    block = start
    for step in range(steps):
        block = torch.bmm(matrices, block)
        if step % 2 == 1 or step == steps - 1:
            block = orthonormal(block)
    if block.shape[-1] == 1:
        return block, (block.conj() * torch.bmm(matrices, block)).sum(1).real.clamp_min(0)
    values, turn = _eigenpairs_of_two(torch.bmm(block.mH, torch.bmm(matrices, block)))
    return torch.bmm(block, turn[..., :count]), values[..., :count].clamp_min(0)


def orthonormal(vectors: Tensor) -> Tensor:
    """Gram-Schmidt over the last axis of [n, coil, 1 or 2]; a vector that vanishes, to rounding, becomes zero."""
    products = torch.bmm(vectors.mH, vectors)
    first = products[:, 0, 0].real.clamp_min(1e-30)
    if vectors.shape[-1] == 1:
        return vectors * first.rsqrt()[:, None, None]
    overlap = products[:, 0, 1]
    left = products[:, 1, 1].real - overlap.abs().square() / first
    turn = torch.zeros_like(products)
    turn[:, 0, 0] = first.rsqrt()
    # Of a vector that all but lies along the first, rounding is left; made as long as the first it would be no vector.
    there = (left > VANISHED * products[:, 1, 1].real) & (left > 1e-30)
    turn[:, 1, 1] = torch.where(there, left.clamp_min(1e-30).rsqrt(), 0.0)
    turn[:, 0, 1] = -overlap / first * turn[:, 1, 1]
    return torch.bmm(vectors, turn)


def _eigenpairs_of_two(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues [n, 2], descending, and eigenvectors [n, 2, 2] of Hermitian 2 x 2 matrices."""
    mean = (matrices[:, 0, 0] + matrices[:, 1, 1]).real / 2
    half = (matrices[:, 0, 0] - matrices[:, 1, 1]).real / 2
    cross = matrices[:, 0, 1]
    radius = torch.hypot(half, cross.abs())
    # The rotation by half the angle between `half` and `radius`, written so that nothing cancels.
    cosine = torch.where(radius > 0, (0.5 * (1 + half / radius.clamp_min(1e-30))).sqrt(), 1.0)
    sine = torch.where(radius > 0, (0.5 * (1 - half / radius.clamp_min(1e-30))).clamp_min(0).sqrt(), 0.0)
    size = cross.abs()
    phase = torch.where(size > 0, cross / size.clamp_min(1e-30), torch.ones_like(cross))
    vectors = torch.stack((cosine + 0 * cross, sine * phase.conj(), -sine * phase, cosine + 0 * cross), dim=-1)
    return torch.stack((mean + radius, mean - radius), dim=-1), vectors.reshape(-1, 2, 2).mT
