"""Reconstruct a scan: preparation, a method slice by slice, and what is worth knowing of the result."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from rsd_mri.coils.prepare import calibrate_volume, prepare_slice
from rsd_mri.coils.prepared import PreparedSlice
from rsd_mri.errors import InputError
from rsd_mri.operators import Sense, sense_operator
from rsd_mri.protocol import PrepSettings
from rsd_mri.reconstruction.classical import cg_sense, l1_wavelet, total_variation, zero_filled
from rsd_mri.reconstruction.learned import PosteriorSettings, one_step, sample_posterior
from rsd_mri.reconstruction.result import Reconstruction
from rsd_mri.rsd.prior import Prior
from rsd_mri.scan.scan import Scan

Method = Literal["posterior", "one-step", "l1-wavelet", "tv", "cg-sense", "zero-filled"]
METHODS: tuple[Method, ...] = ("posterior", "one-step", "l1-wavelet", "tv", "cg-sense", "zero-filled")
LEARNED = ("posterior", "one-step")

CLASSICAL: dict[str, Callable[[Sense, Tensor, float], Tensor]] = {
    "zero-filled": lambda operator, kspace, sigma: zero_filled(operator, kspace),  # noqa: ARG005
    "cg-sense": cg_sense,
    "l1-wavelet": l1_wavelet,
    "tv": total_variation,
}

Progress = Callable[[int, int, float], None]
"""(slice, slices, share of the slice done)."""


@dataclass(frozen=True)
class ReconOptions:
    """How to reconstruct."""

    method: Method = "posterior"
    samples: int = 4
    """Posterior samples."""
    seed: int = 0
    device: torch.device = torch.device("cpu")
    posterior: PosteriorSettings = PosteriorSettings()


def reconstruct_scan(
    scan: Scan,
    options: ReconOptions,
    prior: Prior | None = None,
    prep: PrepSettings | None = None,
    progress: Progress | None = None,
) -> Reconstruction:
    """Reconstruct every slice of a scan.

    Parameters
    ----------
    scan
        As read.
    options
        Method, samples, seed, device.
    prior
        Needed by `posterior` and `one-step`.
    prep
        How to prepare; by default the package's settings.
    progress
        Called as the work goes on.

    Returns
    -------
    Reconstruction
        In the unit of the scan.

    Raises
    ------
    InputError
        If the scan cannot be prepared, or a learned method has no prior.
    """
    if options.method in LEARNED and prior is None:
        raise InputError(f"--method {options.method} needs a prior; give --prior RUN or take --method l1-wavelet")
    settings = prep or PrepSettings()
    volume = calibrate_volume(scan, settings)
    parts: list[_Slice] = []
    for index in range(scan.n_slices):
        prepared = prepare_slice(scan, index, settings, volume)
        begun = time.perf_counter()

        def tell(share: float, index: int = index) -> None:
            if progress is not None:
                progress(index, scan.n_slices, share)

        tell(0.0)
        images = _run(prepared, scan, index, options, prior, tell)
        if options.device.type == "cuda":
            torch.cuda.synchronize(options.device)
        parts.append(_finish(prepared, images, options.device, time.perf_counter() - begun))
        tell(1.0)
    notes = list(scan.notes)
    notes.append(f"Coil maps: {volume.sets_reason}.")
    if volume.noise_source == "none":
        notes.append("The noise level is unknown: the scan holds no noise samples and none could be estimated.")
    sampled = options.method == "posterior"
    return Reconstruction(
        magnitude=np.stack([p.magnitude for p in parts]),
        image=np.stack([p.image for p in parts]),
        csm=np.stack([p.csm for p in parts]),
        method=options.method,
        source=scan.source,
        mask=scan.mask,
        mask_source=scan.mask_source,
        acceleration=scan.realised_acceleration,
        residual=np.array([p.residual for p in parts], dtype=np.float32),
        sigma=np.full(scan.n_slices, volume.sigma, dtype=np.float32),
        seconds=np.array([p.seconds for p in parts]),
        samples=np.stack([p.samples for p in parts], axis=1) if sampled else None,
        std=np.stack([p.samples.std(axis=0, ddof=min(1, options.samples - 1)) for p in parts]) if sampled else None,
        prior=str(prior.path) if prior is not None and options.method in LEARNED else None,
        prior_hash=prior.sha256 if prior is not None and options.method in LEARNED else None,
        seed=options.seed,
        geometry=scan.geometry,
        notes=tuple(notes),
        parameters=_parameters(options, volume.n_sets, volume.calib_width),
    )


@dataclass(frozen=True)
class _Slice:
    magnitude: np.ndarray
    image: np.ndarray
    csm: np.ndarray
    samples: np.ndarray
    residual: float
    seconds: float


def _parameters(options: ReconOptions, n_sets: int, calib_width: int) -> dict[str, str | int | float]:
    values: dict[str, str | int | float] = {"n_sets": n_sets, "calib_width": calib_width}
    if options.method == "posterior":
        values |= {"samples": options.samples, **vars(options.posterior)}
    return values


def _run(
    prepared: PreparedSlice,
    scan: Scan,
    index: int,
    options: ReconOptions,
    prior: Prior | None,
    tell: Callable[[float], None],
) -> Tensor:
    """Images of a slice in prepared units, [sample, (set,) readout, phase_encode]."""
    operator, kspace = as_operator(prepared, options.device)
    if options.method in CLASSICAL:
        return CLASSICAL[options.method](operator, kspace, prepared.sigma)
    assert prior is not None  # noqa: S101 - for the type checker; checked above
    keys = [(options.seed, scan.source.name, index, k) for k in range(options.samples)]
    if options.method == "one-step":
        return one_step(prior, operator, kspace, prepared.sigma)
    return sample_posterior(prior, operator, kspace, prepared.sigma, keys, options.posterior, tell)


def as_operator(prepared: PreparedSlice, device: torch.device) -> tuple[Sense, Tensor]:
    """The operator of a prepared slice and its k-space, with a batch axis of one."""
    csm = torch.from_numpy(prepared.csm)[None].to(device)
    kspace = torch.from_numpy(prepared.kspace)[None].to(device)
    return sense_operator(csm, torch.from_numpy(prepared.mask).to(device)), kspace


def _finish(prepared: PreparedSlice, images: Tensor, device: torch.device, seconds: float) -> _Slice:
    """From images in prepared units to what is stored, in the unit of the scan."""
    operator, kspace = as_operator(prepared, device)
    mean = images.mean(dim=0, keepdim=True)
    points = int(operator.mask.expand(1, 1, *kspace.shape[-2:]).sum()) * kspace.shape[1]
    error = (operator.forward(mean) - kspace).abs().square().sum()
    residual = float(error) / (points * prepared.sigma**2)
    back = torch.from_numpy(prepared.back).to(device)

    def magnitude(image: Tensor) -> np.ndarray:
        coil_images = operator.coils.forward(image[None])[0]
        physical = torch.einsum("pv,vyx->pyx", back, coil_images)
        return crop(physical.abs().square().sum(0).sqrt(), prepared.image_size).cpu().numpy()

    one_set = prepared.n_sets == 1
    # |back| scales the image to the scan's unit as the root sum of squares does, on average over coils.
    weight = _unit(operator, back, one_set)
    image = crop((mean[0] if one_set else mean[0, 0]) * weight, prepared.image_size)
    csm = crop(operator.csm[0] if one_set else operator.csm[0, 0], prepared.image_size)
    return _Slice(
        magnitude(mean[0]),
        image.cpu().numpy(),
        csm.cpu().numpy(),
        np.stack([magnitude(sample) for sample in images]),
        residual,
        seconds,
    )


def _unit(operator: Sense, back: Tensor, one_set: bool) -> Tensor:
    """Root sum of squares that an image of one everywhere has in the scan's unit, [readout, phase_encode]."""
    csm = operator.csm[0] if one_set else operator.csm[0, 0]
    weight = torch.einsum("pv,vyx->pyx", back, csm).abs().square().sum(0).sqrt()
    norm = csm.abs().square().sum(0).sqrt()
    inside = norm > 0
    typical = (weight[inside] / norm[inside]).mean() if bool(inside.any()) else weight.new_ones(())
    return torch.where(inside, weight / norm.clamp_min(1e-6), typical)


def crop(array: Tensor, size: tuple[int, int]) -> Tensor:
    """Keep the centre of the last two axes."""
    starts = [(n - wanted) // 2 for n, wanted in zip(array.shape[-2:], size, strict=True)]
    return array[..., starts[0] : starts[0] + size[0], starts[1] : starts[1] + size[1]]
