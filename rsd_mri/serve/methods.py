"""The only way from here to reconstruction: a volume prepared, a slice reconstructed, as `recon` does it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.machine.device import resolve_device
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.operators.fourier import fft2c
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.priors.elsewhere import elsewhere_of
from rsd_mri.priors.prior import Prior
from rsd_mri.protocol import PrepSettings
from rsd_mri.reconstruction import held_out
from rsd_mri.reconstruction.calibration import Calibration, read_calibration
from rsd_mri.reconstruction.checks import distance_from_card, reasons
from rsd_mri.reconstruction.classical.made import Made
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.finish import FinishedSlice, finish, pooled_std
from rsd_mri.reconstruction.intervals import with_interval, with_own_interval
from rsd_mri.reconstruction.memory import Batches
from rsd_mri.reconstruction.methods import LEARNED, Method, find_prior, method_of
from rsd_mri.reconstruction.moved import Moved, look_for_motion
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.reconstruction.reconstruct import plan_for, run_method
from rsd_mri.results.reconstruction import PosteriorPart, PriorUse, Reconstruction
from rsd_mri.scan.scan import Scan
from rsd_mri.serve.worker_options import WorkerOptions

KEPT_BYTES = 2**28
"""Memory that the prepared slices of a volume may take between its classical and its learned images."""


Prepared: TypeAlias = PreparedScan
"""A scan with what its slices share, and its slices."""


@dataclass(frozen=True)
class SliceResult:
    """What is known of a slice; images are [readout, phase_encode] in the unit of the scan."""

    magnitude: NDArray[np.float32]
    image: NDArray[np.complex64]
    std: NDArray[np.float32] | None = None
    half_width: NDArray[np.float32] | None = None
    samples: tuple[NDArray[np.float32], ...] = ()
    sample_images: tuple[NDArray[np.complex64], ...] = ()
    distrust: tuple[str, ...] = ()
    """Sentences that speak against trusting the image."""
    remarks: tuple[str, ...] = ()
    """Further sentences."""


def prepare(scan: Scan, like: Prepared | None = None, beside: Prepared | None = None) -> Prepared:
    """Settle what the slices of a scan share.

    Parameters
    ----------
    scan
        Slices that came together.
    like
        Earlier slices of the same volume: whitening, compression, scale and sets of maps stay theirs.
    beside
        An earlier frame of the same stack, as `PreparedScan.of` takes its calibration.

    Raises
    ------
    InputError
        If the scan cannot be prepared.
    """
    if like is not None and like.scan.n_coils == scan.n_coils:
        return like.with_slices(scan)
    return Prepared.of(scan, PrepSettings(), beside=None if beside is None else beside.volume, kept_bytes=KEPT_BYTES)


def remarks_of(prepared: Prepared) -> tuple[list[str], list[str]]:
    """What there is to say of a scan: sentences of its reader, and of its preparation that warn or explain."""
    warnings = list(prepared.scan.notes)
    remarks = [note.rstrip(".") for note in prepared.volume.notes]
    if prepared.scan.segments is not None:
        remarks.append("images of classical methods take all segments of lines as one; learned ones look for motion")
    if prepared.volume.noise_source == "none":
        warnings.append("the noise level is unknown: the scan holds no noise samples and none could be estimated")
    return warnings, remarks


class Classical:
    """A method without a prior."""

    def __init__(self, method: str, device: torch.device) -> None:
        self.method, self.device = CLASSICAL[method], device

    def run(self, prepared: Prepared, index: int) -> SliceResult:
        """Reconstruct a slice."""
        one = prepared[index]
        images = run_method(self.method, [one], prepared.scan.key, index, 0, Batches(1, 1, 0), self.device)
        done = finish(one, images[0], 0.0, parted=False)
        return SliceResult(done.magnitude, done.image)


class Learned:
    """A method with a prior, as far as it is settled for one scan."""

    def __init__(
        self, method: str, samples: int, seed: int, device: torch.device, prior: Prior, interval: Calibration | None
    ) -> None:
        self.method: Method = method_of(method, prior, samples=samples)
        self.seed, self.device, self.prior, self.interval = seed, device, prior, interval
        self.checks: dict[str, float] = {}
        self.moved: Moved | None = None

    def settle(self, prepared: Prepared, progress: Progress = SILENT) -> None:
        """Look for motion, predict lines left out of the middle slice, and choose by it how the prior is used."""
        self.moved = look_for_motion(prepared, progress)
        prepared = self.moved.prepared
        settled = held_out.settle(self.method, prepared.middle, prepared.scan.key, self.seed, self.device)
        self.method, self.checks = settled.method, settled.checks

    def run(
        self, prepared: Prepared, index: int, number: int, progress: Progress, complex_samples: bool
    ) -> SliceResult:
        """Reconstruct a slice.

        Parameters
        ----------
        prepared
            The scan.
        index, number
            Of the slice in this scan, and in its volume, which may have come in parts: the draws are keyed by it.
        progress
            Told the share done.
        complex_samples
            Whether complex images of the samples are wanted.
        """
        if self.moved is not None:
            prepared = self.moved.prepared
        scan, one, method = prepared.scan, prepared[index], self.method
        batches = replace(plan_for(prepared, method, self.device), slices=1)
        made = run_method(method, [one], scan.key, number, self.seed, batches, self.device, progress)[0]
        done = finish(one, made, 0.0)
        checks = {"prior_share": done.prior_share, **self.checks}
        rec = Reconstruction(
            magnitude=done.magnitude[None], image=done.image[None], csm=done.csm[None], method=method.name,
            source=scan.source, mask=scan.mask, mask_source=scan.mask_source, acceleration=scan.realised_acceleration,
            residual=np.array([done.residual], np.float32), sigma=np.array([one.level], np.float32),
            seconds=np.zeros(1),
            posterior=_posterior(done, method.sampled),
            prior=PriorUse(str(self.prior.path), self.prior.sha256), parameters=method.parameters(),
        )  # fmt: skip
        # One sample has no spread.
        spread = done.std is not None or (method.sampled and method.samples > 1)
        if spread:
            rec = with_own_interval(rec) if self.interval is None else with_interval(rec, self.interval)
        differences = distance_from_card(
            self.prior.card, self.prior.denoiser.sigma_data, acceleration=scan.realised_acceleration,
            sigma=one.level, size=one.kspace.shape[-2:], rms=done.rms, elsewhere=elsewhere_of(self.prior.path),
        )  # fmt: skip
        distrust = [difference.sentence for difference in differences]
        said = reasons(checks)
        distrust += [sentence for sentence in said if sentence.startswith("The prior predicts")]
        complexes = (
            tuple(finish(one, Made(image[None]), 0.0, parted=False).image for image in made.images)
            if complex_samples
            else ()
        )
        return SliceResult(
            magnitude=done.magnitude, image=done.image,
            std=rec.std[0] if rec.std is not None and spread else None,
            half_width=None if rec.half_width is None else rec.half_width[0],
            samples=tuple(done.samples) if method.sampled else (), sample_images=complexes if method.sampled else (),
            distrust=tuple(distrust),
            remarks=tuple([s for s in said if s not in distrust] + list(rec.notes) + self._motion()),
        )  # fmt: skip

    def _motion(self) -> list[str]:
        """What is to be said of motion."""
        return [self.moved.note] if self.moved is not None and self.moved.note else []


def _posterior(done: FinishedSlice, sampled: bool) -> PosteriorPart | None:
    if done.std is not None:
        return PosteriorPart(done.samples[:, None] if sampled else None, done.std[None])
    return PosteriorPart(done.samples[:, None], pooled_std(done.samples)[None]) if sampled else None


@dataclass(frozen=True)
class Loaded:
    """What is loaded once."""

    device: torch.device
    prior: Prior | None
    interval: Calibration | None


def load(options: WorkerOptions) -> Loaded:
    """Load prior and calibration.

    A package without weights serves classical methods; a prior that was named has to be readable.

    Raises
    ------
    InputError
        If what was named cannot be used.
    """
    device = resolve_device(options.device)
    prior = Path(options.prior) if options.prior else None
    interval = read_calibration(Path(options.calibration)) if options.calibration else None
    if prior is None and options.method not in LEARNED:
        try:
            return Loaded(device, find_prior(None, "posterior").to(device), interval)
        except ValueError:
            return Loaded(device, None, interval)
    return Loaded(device, find_prior(prior, "posterior").to(device), interval)


def warm_up(device: torch.device, loaded: Loaded | None = None) -> None:
    """Reconstruct next to nothing, so that the first scan does not wait for what is loaded when it is first used.

    Parameters
    ----------
    device
        Where.
    loaded
        With a prior the posterior is warmed up, without it a classical method.
    """
    n = 64
    image = torch.zeros(2, n, n, dtype=torch.complex64)
    image[0, 16:48, 16:40] = image[1, 16:48, 24:48] = 1
    kspace = fft2c(image).numpy()[None]
    prepared = prepare(Scan(kspace, np.ones(n, bool), "full", Path("warm-up"), "simulated"))
    if loaded is None:
        Classical("l1-wavelet", device).run(prepared, 0)
    elif loaded.prior is not None and not loaded.prior.in_one_call:
        few = Learned("posterior", 1, 0, device, loaded.prior, None)
        few.method = method_of("posterior", loaded.prior, SAMPLERS["few-step"], 1)
        few.run(prepared, 0, 0, SILENT, False)
