"""Reconstruct a scan: preparation, a method slice by slice, and what is worth knowing of the result."""

import time
from dataclasses import replace

import numpy as np
import torch

from rsd_mri.corruption.corruption import Key
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.priors.elsewhere import elsewhere_of
from rsd_mri.priors.lesions import lesion_checks, lesions_of
from rsd_mri.priors.prior import Prior
from rsd_mri.reconstruction.adapt import adapt as adapt_to
from rsd_mri.reconstruction.checks import Difference, distance_from_card, reasons
from rsd_mri.reconstruction.classical.made import Made
from rsd_mri.reconstruction.finish import FinishedSlice, as_operator, finish, pooled_std
from rsd_mri.reconstruction.gathered import Images
from rsd_mri.reconstruction.held_out import settle
from rsd_mri.reconstruction.memory import Batches, item_bytes, peak_bytes, plan_batches, require_room_for_images
from rsd_mri.reconstruction.methods import Method
from rsd_mri.reconstruction.moved import Moved, look_for_motion
from rsd_mri.reconstruction.own_lines import spread_on_own_lines
from rsd_mri.reconstruction.together import left_out_planes, together
from rsd_mri.results.reconstruction import PosteriorPart, PriorUse, Reconstruction
from rsd_mri.scan.scan import Scan

CPU = torch.device("cpu")
MOTION = 0.02
"""Share of the work that looking for motion is."""
ADAPTING = 9
"""Slices in whose time a prior learns from one."""
TOGETHER = 0.95
"""Share of the work that is done once the samples of a volume are drawn."""


def reconstruct_scan(
    scan: Scan | PreparedScan | Moved,
    method: Method,
    *,
    seed: int = 0,
    device: torch.device = CPU,
    held_out: bool = True,
    adapt: bool = False,
    progress: Progress = SILENT,
) -> Reconstruction:
    """Reconstruct every slice of a scan.

    Parameters
    ----------
    scan
        As read, or prepared: then its slices are made once for all that is done with it; or with motion looked for.
    method
        How, with the prior it needs on the device.
    seed
        Of the samples.
    device
        Where to compute.
    held_out
        Where the method has candidates, predict acquired lines that are left out, in one slice, and take the best.
        Costs two quick runs, and one of each possible start of the samplers; and of two samples or more the time of
        one, to judge their spread.
    adapt
        Let the prior learn from acquired lines of the middle slice, where that lowers the error on others of them.
    progress
        Told the share done.

    Returns
    -------
    Reconstruction
        In the unit of the scan.

    Raises
    ------
    InputError
        If the scan cannot be prepared, or the method has nothing to adapt.
    """
    known = scan if isinstance(scan, Moved) else None
    prepared = PreparedScan.of(scan.prepared if isinstance(scan, Moved) else scan)
    scan, volume = prepared.scan, prepared.volume
    method = method if scan.trajectory is None else method.along_trajectory()
    batches = plan_for(prepared, method, device)
    drawn = method.samples if method.sampled else 0
    require_room_for_images(scan.image_size or scan.size, len(prepared), drawn, method.prior is not None)
    moved = known or look_for_motion(prepared, progress.part(0.0, MOTION))
    prepared, checks, progress = moved.prepared, dict(moved.checks), progress.part(MOTION, 1.0)
    if prepared.poses:
        batches = replace(batches, slices=1)
    learning = ADAPTING / (ADAPTING + len(prepared)) if adapt else 0.0
    told, progress = progress.part(0.0, learning), progress.part(learning, 1.0)
    method, found, said = _settled(method, prepared, seed, device, held_out, adapt, told)
    checks |= found
    method, parts, gathered = _made(method, prepared, seed, batches, device, progress)
    notes = [*scan.notes]
    if volume.noise_source == "none":
        notes.append("The noise level is unknown: the scan holds no noise samples and none could be estimated.")
    notes += [moved.note] if moved.note else []
    notes += said
    used = method.prior
    peak = {"peak_mib": peak_bytes(device) / 2**20}
    if used is not None:
        checks = {**_averages(parts), **checks}
        differences = _distance(used, prepared, parts)
        checks |= _costs(differences) | lesion_checks(lesions_of(used.path), method.name, scan.realised_acceleration)
        notes += [one.sentence for one in differences] + reasons(checks)
    notes += volume.notes
    return Reconstruction(
        magnitude=gathered.magnitude,
        image=gathered.image,
        csm=gathered.csm,
        method=method.name,
        title=method.title,
        source=scan.source,
        mask=scan.cells,
        mask_source=scan.mask_source,
        acceleration=scan.realised_acceleration,
        residual=np.array([p.residual for p in parts], dtype=np.float32),
        sigma=np.full(len(parts), volume.level, dtype=np.float32),
        seconds=np.array([p.seconds for p in parts]),
        posterior=_posterior(gathered, parts, method),
        prior=None if used is None else _use(used, gathered),
        checks={**peak, **checks},
        seed=seed,
        geometry=scan.geometry,
        facts=scan.facts,
        frame=scan.frame,
        stack=scan.stack,
        notes=tuple(notes),
        parameters={"n_sets": volume.n_sets, "calib_width": volume.calib_width, **method.parameters()},
    )


def _settled(
    method: Method,
    prepared: PreparedScan,
    seed: int,
    device: torch.device,
    held_out: bool,
    adapt: bool,
    progress: Progress,
) -> tuple[Method, dict[str, float], list[str]]:
    """The method as all slices are made by it, with what lines left out showed of it, and notes."""
    checks: dict[str, float] = {}
    notes: list[str] = []
    name = prepared.scan.key
    if held_out and method.candidates():
        settled = settle(method, prepared.middle, name, seed, device)
        method, checks = settled.method, checks | settled.checks
    if adapt:
        adapted = adapt_to(method, prepared.middle, name, seed, device, progress)
        method, checks = adapted.method, checks | adapted.checks()
        notes.append(adapted.note())
    if held_out and method.sampled:
        checks |= spread_on_own_lines(method, prepared.middle, name, seed, device)
    planes = left_out_planes(method, prepared.scan)
    return method, checks, [*notes, *([planes] if planes else [])]


def _made(
    alone: Method, prepared: PreparedScan, seed: int, batches: Batches, device: torch.device, progress: Progress
) -> tuple[Method, list[FinishedSlice], Images]:
    """All slices; by the method that has drawn its samples of the volume, where slices are sampled together."""
    name = prepared.scan.key
    begun = time.perf_counter()
    method = together(alone, prepared, name, seed, device, progress.part(0.0, TOGETHER))
    done = 0.0 if method is alone else TOGETHER
    shared = (time.perf_counter() - begun) / max(len(prepared), 1)
    parts: list[FinishedSlice] = []
    gathered: Images | None = None
    for begin in range(0, len(prepared), batches.slices):
        chunk = [prepared[i] for i in range(begin, min(begin + batches.slices, len(prepared)))]
        low, high = (done + (1 - done) * n / len(prepared) for n in (begin, begin + len(chunk)))
        part = progress.part(low, high)
        part(0.0)
        begun = time.perf_counter()
        made = run_method(method, chunk, name, begin, seed, batches, device, part)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds = shared + (time.perf_counter() - begun) / len(chunk)
        for one, each in zip(chunk, made, strict=True):
            finished = finish(one, each, seconds, parted=method.prior is not None)
            gathered = gathered or Images.like(finished, len(prepared))
            parts.append(gathered.put(len(parts), finished))
        del chunk, made
        part(1.0)
    if gathered is None:
        raise InputError(f"{prepared.scan.source}: there are no slices to reconstruct")
    return method, parts, gathered


def plan_for(prepared: PreparedScan, method: Method, device: torch.device) -> Batches:
    """How many samples and slices of a scan fit into memory at once."""
    volume = prepared.volume
    network = None if method.prior is None else method.prior.protocol.network
    size = (volume.n_readout, prepared.scan.matrix[1])
    # Virtual conjugate coils count as coils.
    n_coils = len(volume.forward) * (2 if volume.partial else 1)
    each = item_bytes(size, n_coils, volume.n_sets, network, gradient=method.through_network)
    batches = plan_batches(each, method.samples, len(prepared), device)
    # Classical methods stop when they are done: a slice must not wait for another.
    return batches if method.sampled else replace(batches, slices=1)


def run_method(
    method: Method,
    prepared: list[PreparedSlice],
    name: str,
    first: int,
    seed: int,
    batches: Batches,
    device: torch.device = CPU,
    progress: Progress = SILENT,
) -> list[Made]:
    """Run a method on prepared slices of one scan.

    Parameters
    ----------
    method
        How.
    prepared
        One slice; several for posterior samples only.
    name, first, seed
        The scan's name, the number of the first slice, and the seed: what the draws are keyed by.
    batches
        Samples at once.
    device
        Where to compute.
    progress
        Told the share done.

    Returns
    -------
    list of Made
        Of each slice, [sample, (set,) readout, phase_encode].
    """
    operator, kspace = as_operator(prepared, device)
    sigma, count = prepared[0].sigma, method.samples
    keys: list[Key] = [(seed, name, first + i, k) for i in range(len(prepared)) for k in range(count)]
    at_once = len(keys) if len(prepared) > 1 else batches.samples
    parts: list[Made] = []
    for begin in range(0, len(keys), at_once):
        some = keys[begin : begin + at_once]
        part = progress.part(begin / len(keys), (begin + len(some)) / len(keys))
        parts.append(method.estimate(operator, kspace, sigma, some, part))
    images = torch.cat([one.images for one in parts]).unflatten(0, (len(prepared), count))
    said = [one.std for one in parts if one.std is not None]
    if len(said) < len(parts):
        return [Made(one) for one in images]
    return [Made(*one) for one in zip(images, torch.cat(said).unflatten(0, (len(prepared), count)), strict=True)]


def _averages(parts: list[FinishedSlice]) -> dict[str, float]:
    """Means over the slices."""
    values = {"prior_share": float(np.mean([p.prior_share for p in parts]))}
    values["centre_residual"] = float(np.mean([p.centre_residual for p in parts]))
    values["noise"] = float(np.mean([p.noise for p in parts]))
    spreads = [p.dispersion for p in parts if p.dispersion is not None]
    if spreads:
        msd, usd = np.mean(spreads, axis=0)
        values |= {"measured_dispersion": float(msd), "unmeasured_dispersion": float(usd)}
    return values


def _distance(prior: Prior, prepared: PreparedScan, parts: list[FinishedSlice]) -> list[Difference]:
    scan, volume = prepared.scan, prepared.volume
    return distance_from_card(
        prior.card,
        prior.denoiser.sigma_data,
        acceleration=scan.realised_acceleration,
        sigma=volume.level,
        size=(volume.n_readout, scan.matrix[1]),
        rms=float(np.mean([p.rms for p in parts])),
        elsewhere=elsewhere_of(prior.path),
    )


def _costs(differences: list[Difference]) -> dict[str, float]:
    """How many ways, and the largest loss that was measured of one [dB]."""
    losses = [one.measured.worse for one in differences if one.measured is not None]
    count = {"card_differences": float(len(differences))}
    return count | ({"card_loss": max(losses)} if losses else {})


def _posterior(made: Images, parts: list[FinishedSlice], method: Method) -> PosteriorPart | None:
    said = [p.std for p in parts if p.std is not None]
    if len(said) == len(parts):
        return PosteriorPart(made.samples.swapaxes(0, 1) if method.sampled else None, np.stack(said))
    if not method.sampled:
        return None
    return PosteriorPart(made.samples.swapaxes(0, 1), np.stack([pooled_std(samples) for samples in made.samples]))


def _use(prior: Prior, made: Images) -> PriorUse:
    return PriorUse(str(prior.path), prior.sha256, made.measured, made.prior)
