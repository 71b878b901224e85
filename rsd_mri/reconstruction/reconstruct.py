"""Reconstruct a scan: preparation, a method slice by slice, and what is worth knowing of the result."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from rsd_mri.errors import InputError
from rsd_mri.operators import Sense
from rsd_mri.preparation.prepare import VolumeCalibration, calibrate_volume, prepare_slice
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.priors.prior import Prior
from rsd_mri.progress import SILENT, Progress
from rsd_mri.protocol import PrepSettings
from rsd_mri.reconstruction.checks import distance_from_card, held_out_error, hold_out, reasons
from rsd_mri.reconstruction.classical.methods import cg_sense, l1_wavelet, total_variation, zero_filled
from rsd_mri.reconstruction.finish import FinishedSlice, as_operator, finish, pooled_std
from rsd_mri.reconstruction.memory import Batches, item_bytes, peak_bytes, plan_batches
from rsd_mri.reconstruction.posterior.learned import (
    WITH_GRADIENT,
    PosteriorSettings,
    Start,
    one_step,
    sample_posterior,
    start_of,
)
from rsd_mri.results.reconstruction import Reconstruction
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

QUICK_LEVEL = 0.05
"""Noise level at which the quick sample of held-out lines begins, prepared units: on a real scan at R = 8, from total
variation (error 2.3 and 2.8 %), four levels from 0.05 gave 2.0 and 2.3 %, from 0.15 2.7 and 2.9; 24 levels 1.9, 2.1"""


@dataclass(frozen=True)
class ReconOptions:
    """How to reconstruct."""

    method: Method = "posterior"
    samples: int = 4
    """Posterior samples."""
    seed: int = 0
    device: torch.device = torch.device("cpu")
    posterior: PosteriorSettings = PosteriorSettings()
    held_out: bool = True
    """Learned methods: predict acquired lines that are left out, in one slice. Costs two quick runs, and one of each
    possible start of the samplers."""


def reconstruct_scan(
    scan: Scan,
    options: ReconOptions,
    prior: Prior | None = None,
    prep: PrepSettings | None = None,
    progress: Progress = SILENT,
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
        Told the share done.

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
    batches = _plan(scan, volume, options, prior)
    learned = options.method in LEARNED
    predicted: dict[str, float] = {}
    # A generator knows one noise level: it cannot restore what the others are left out for.
    if options.held_out and learned and prior is not None and prior.kind != "generator":
        middle = prepare_slice(scan, scan.n_slices // 2, settings, volume)
        options, prior, predicted = try_held_out(middle, scan.key, options, prior)
    parts: list[FinishedSlice] = []
    prepared: list[PreparedSlice] = []
    for begin in range(0, scan.n_slices, batches.slices):
        chunk = range(begin, min(begin + batches.slices, scan.n_slices))
        prepared = [prepare_slice(scan, index, settings, volume) for index in chunk]
        begun = time.perf_counter()
        part = progress.part(begin / scan.n_slices, chunk.stop / scan.n_slices)
        part(0.0)
        images = run_method(prepared, scan.key, begin, options, prior, batches, part)
        if options.device.type == "cuda":
            torch.cuda.synchronize(options.device)
        seconds = (time.perf_counter() - begun) / len(chunk)
        parts += [finish(one, image, seconds) for one, image in zip(prepared, images, strict=True)]
        part(1.0)
    notes = [*scan.notes, f"Coil maps: {volume.sets_reason}."]
    if volume.noise_source == "none":
        notes.append("The noise level is unknown: the scan holds no noise samples and none could be estimated.")
    checks: dict[str, float] = {"peak_mib": peak_bytes(options.device) / 2**20}
    if learned and prior is not None:
        checks |= _averages(parts) | predicted
        notes += distance_from_card(
            prior.card, prior.protocol.teacher.sigma_data, acceleration=scan.realised_acceleration,
            sigma=volume.sigma, size=prepared[0].kspace.shape[-2:], rms=float(np.mean([p.rms for p in parts])),
        )
        notes += reasons(checks)
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
        std=np.stack([pooled_std(p.samples) for p in parts]) if sampled else None,
        measured_part=np.stack([p.measured for p in parts]) if learned else None,
        prior_part=np.stack([p.prior for p in parts]) if learned else None,
        checks=checks,
        prior=str(prior.path) if prior is not None and learned else None,
        prior_hash=prior.sha256 if prior is not None and learned else None,
        seed=options.seed,
        geometry=scan.geometry,
        facts=scan.facts,
        frame=scan.frame,
        stack=scan.stack,
        notes=tuple(notes),
        parameters=_parameters(options, prior if learned else None, volume),
    )


def _plan(scan: Scan, volume: VolumeCalibration, options: ReconOptions, prior: Prior | None) -> Batches:
    learned = options.method in LEARNED and prior is not None
    network = prior.protocol.network if learned and prior is not None else None
    sampled = options.method == "posterior"
    each = item_bytes(
        (volume.n_readout, scan.size[1]), len(volume.forward), volume.n_sets, network,
        gradient=sampled and options.posterior.sampler in WITH_GRADIENT,
    )
    batches = plan_batches(each, options.samples if sampled else 1, scan.n_slices, options.device)
    # Classical methods stop when they are done: a slice must not wait for another.
    return batches if sampled else replace(batches, slices=1)


def _parameters(
    options: ReconOptions, prior: Prior | None, volume: VolumeCalibration
) -> dict[str, str | int | float]:
    values: dict[str, str | int | float] = {"n_sets": volume.n_sets, "calib_width": volume.calib_width}
    if prior is None:
        return values
    if options.method == "one-step":
        values["network"] = "teacher" if prior.teacher is not None else prior.kind
    if options.method == "posterior":
        start = start_of(options.posterior, prior)
        values |= {"samples": options.samples, **vars(options.posterior), "start": start}
    if prior.teacher is not None:
        values["teacher_hash"] = prior.teacher.sha256
    return values


def run_method(
    prepared: list[PreparedSlice],
    name: str,
    first: int,
    options: ReconOptions,
    prior: Prior | None,
    batches: Batches,
    progress: Progress,
) -> list[Tensor]:
    """Run the method on prepared slices of one scan.

    Parameters
    ----------
    prepared
        One slice; several for posterior samples only.
    name, first
        The scan's name and the number of the first slice: what the draws are keyed by.
    options, prior
        As for `reconstruct_scan`.
    batches
        Samples at once.
    progress
        Told the share done.

    Returns
    -------
    list of Tensor
        Images of each slice in prepared units, [sample, (set,) readout, phase_encode].
    """
    operator, kspace = as_operator(prepared, options.device)
    sigma = prepared[0].sigma
    if options.method in CLASSICAL:
        return [CLASSICAL[options.method](operator, kspace, sigma)]
    assert prior is not None  # noqa: S101 - for the type checker; checked by the caller
    if options.method == "one-step":
        return [one_step(prior, operator, kspace, sigma)]
    keys = [
        [(options.seed, name, first + i, k) for k in range(options.samples)] for i in range(len(prepared))
    ]
    if len(prepared) > 1:
        flat = sample_posterior(prior, operator, kspace, sigma, sum(keys, []), options.posterior, progress)
        return list(flat.unflatten(0, (len(prepared), options.samples)))
    parts = []
    for begin in range(0, options.samples, batches.samples):
        some = keys[0][begin : begin + batches.samples]
        part = progress.part(begin / options.samples, (begin + len(some)) / options.samples)
        parts.append(sample_posterior(prior, operator, kspace, sigma, some, options.posterior, part))
    return [torch.cat(parts)]


def _averages(parts: list[FinishedSlice]) -> dict[str, float]:
    """Means over the slices."""
    values = {"prior_share": float(np.mean([p.prior_share for p in parts]))}
    spreads = [p.dispersion for p in parts if p.dispersion is not None]
    if spreads:
        msd, usd = np.mean(spreads, axis=0)
        values |= {"measured_dispersion": float(msd), "unmeasured_dispersion": float(usd)}
    return values


def try_held_out(
    prepared: PreparedSlice, name: str, options: ReconOptions, prior: Prior
) -> tuple[ReconOptions, Prior, dict[str, float]]:
    """Predict acquired lines of a slice by the method and by CG-SENSE, and settle by it how a teacher is used.

    Where the prior comes with a teacher, samplers start from its one-step image or from total variation, and the
    one-step image is the teacher's or the denoiser's, whichever predicts the lines better: on scans unlike those it
    was trained on the teacher can be the worse one. For all samplers, four levels of the quickest one stand in.

    Returns
    -------
    options
        With the start settled.
    prior
        Without its teacher where the one-step image is better without.
    checks
        `held_out_error`, `held_out_error_cg_sense`, `held_out_seconds`; `held_out_error_one_step` and
        `held_out_error_tv` where these starts were tried; empty where there are no lines to leave out.
    """
    begun = time.perf_counter()
    operator, kspace = as_operator([prepared], options.device)
    sigma = prepared.sigma
    left = hold_out(torch.from_numpy(prepared.mask), (options.seed, name, "held out"), prepared.acs)
    if not left.any():
        return options, prior, {}

    def error_of(way: Callable[[Sense, Tensor], Tensor]) -> float:
        return held_out_error(operator, kspace, sigma, left, way)

    found = {"held_out_error_cg_sense": error_of(lambda a, y: cg_sense(a, y, sigma))}
    if options.method == "one-step":
        ways = [prior] if prior.teacher is None else [prior, replace(prior, teacher=None)]
        errors = [error_of(partial(one_step, way, sigma=sigma)) for way in ways]
        found["held_out_error"] = min(errors)
        return options, ways[errors.index(min(errors))], {**found, "held_out_seconds": time.perf_counter() - begun}
    settings = options.posterior
    firsts: dict[Start, Tensor] = {}

    def tried(name: Start, image: Tensor) -> Tensor:
        firsts[name] = image
        return image

    if settings.start is None and prior.teacher is not None:
        found["held_out_error_one_step"] = error_of(lambda a, y: tried("one-step", one_step(prior, a, y, sigma)))
        found["held_out_error_tv"] = error_of(lambda a, y: tried("tv", total_variation(a, y, sigma)))
        start: Start = "tv" if found["held_out_error_tv"] < found["held_out_error_one_step"] else "one-step"
        settings = replace(settings, start=start)
    start = start_of(settings, prior)
    # Few levels cannot come back from noise alone.
    start = "tv" if start == "zero-filled" else start
    quick = replace(PosteriorSettings.of("few-step"), start=start, sigma_max=QUICK_LEVEL)
    keys = [(options.seed, name, "held out")]

    def sampled(short: Sense, y: Tensor) -> Tensor:
        return sample_posterior(prior, short, y, sigma, keys, quick, SILENT, firsts.get(start))

    found["held_out_error"] = error_of(sampled)
    return replace(options, posterior=settings), prior, {**found, "held_out_seconds": time.perf_counter() - begun}
