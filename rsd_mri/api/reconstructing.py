"""Reconstructions: made, read again, and their intervals calibrated."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, overload

from rsd_mri.errors import InputError
from rsd_mri.machine.device import resolve_device
from rsd_mri.machine.progress import Progress
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.priors.prior import Prior
from rsd_mri.reconstruction import calibration as calibrations
from rsd_mri.reconstruction import full_scans
from rsd_mri.reconstruction.calibration import Calibration, read_calibration
from rsd_mri.reconstruction.intervals import with_interval, with_own_interval
from rsd_mri.reconstruction.methods import find_prior, method_of, require_use
from rsd_mri.reconstruction.movies import each_frame, reconstruct_frame
from rsd_mri.reconstruction.posterior.sampler import Sampling, sampler_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS, USUAL
from rsd_mri.reconstruction.posterior_method import Posterior
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.results.movie import Movie
from rsd_mri.results.reading import read_frames, read_reconstruction
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.scan.reading import read_scan
from rsd_mri.scan.scan import Scan


@overload
def reconstruct(
    scan: Scan | PreparedScan | str | Path,
    samples: int | None = None,
    method: str = "posterior",
    prior: Prior | str | Path | None = None,
    *,
    sampler: str | None = ...,
    levels: int | None = ...,
    consistency: bool = ...,
    volume: bool = ...,
    calibration: Calibration | str | Path | None = ...,
    held_out: bool = ...,
    adapt: bool = ...,
    seed: int = ...,
    device: str = ...,
    progress: Callable[[float], object] | None = ...,
) -> Reconstruction: ...
@overload
def reconstruct(
    scan: Sequence[Scan],
    samples: int | None = None,
    method: str = "posterior",
    prior: Prior | str | Path | None = None,
    *,
    sampler: str | None = ...,
    levels: int | None = ...,
    consistency: bool = ...,
    volume: bool = ...,
    calibration: Calibration | str | Path | None = ...,
    held_out: bool = ...,
    adapt: bool = ...,
    seed: int = ...,
    device: str = ...,
    progress: Callable[[float], object] | None = ...,
) -> Movie: ...
def reconstruct(
    scan: Scan | PreparedScan | str | Path | Sequence[Scan],
    samples: int | None = None,
    method: str = "posterior",
    prior: Prior | str | Path | None = None,
    *,
    sampler: str | None = None,
    levels: int | None = None,
    consistency: bool = False,
    volume: bool = False,
    calibration: Calibration | str | Path | None = None,
    held_out: bool = True,
    adapt: bool = False,
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[float], object] | None = None,
) -> Reconstruction | Movie:
    """Reconstruct every slice of a scan, or of all frames of one stack of slices.

    Parameters
    ----------
    scan
        A scan, a prepared one, or its file, of which the first volume is taken. Of a sequence of scans, as
        `read_frames` gives it, all frames: they share maps where they have to, and methods of movies see them at once.
    samples
        Posterior samples; where not given as many as the calibration was made with, or 8. The mean is the image, their
        spread the standard deviation. Of `posterior` alone: another method is one image.
    method
        A name of `rsd_mri.reconstruction.methods.METHODS`: `posterior`, `one-step`, or a classical one.
    prior
        For the first two: a prior, a run folder or a file; the package's where not given.
    sampler
        A name of `rsd_mri.reconstruction.posterior.samplers.SAMPLERS`; `diffpir` where not given.
    levels
        Noise levels of the sampler; its own where not given.
    consistency
        Replace the measured part of every sample by the data, noise and all.
    volume
        The slices lie side by side, as those of a 3-D scan: they are sampled together, each noise level in another of
        the three planes.
    calibration
        Of `calibrate`, for the half width of the interval; the package's, where not given and it fits.
    held_out
        Predict acquired lines that are left out, in one slice: costs a few quick runs of it.
    adapt
        Let the prior learn from the scan's own lines first, where that lowers the error on others of them: up to ten
        times the time.
    seed
        Of the samples.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    progress
        Called with the share done, from 0 to 1.

    Raises
    ------
    InputError
        If an option is none of those there are, or means nothing to the method, or the scan or the prior cannot be
        used.
    """
    on = resolve_device(device)
    asked = {"--sampler": sampler, "--levels": levels, "--consistency": consistency}
    require_use(method, prior.path if isinstance(prior, Prior) else prior, asked)
    known = calibration if isinstance(calibration, Calibration | None) else read_calibration(Path(calibration))
    drawn = samples if samples is not None else 8 if known is None else known.samples
    how = method_of(method, prior, sampler_of(sampler or USUAL, levels, SAMPLERS), drawn, consistency, volume)
    if how.prior is not None:
        how.prior.to(on)
    told = Progress.of(progress)

    def finished(rec: Reconstruction) -> Reconstruction:
        return with_own_interval(rec) if known is None else with_interval(rec, known)

    if isinstance(scan, Sequence) and not isinstance(scan, str | PreparedScan):
        if not scan or len({one.stack for one in scan}) > 1:
            raise InputError("frames: expected those of one stack of slices, one at least; choose by their `stack`")
        options: dict[str, Any] = {"seed": seed, "device": on, "held_out": held_out, "adapt": adapt}
        frames = each_frame(scan, None, how, on, told)
        return Movie(tuple(finished(reconstruct_frame(one, **options, progress=part)) for one, part in frames))
    source = read_scan(scan) if isinstance(scan, str | Path) else scan
    return finished(reconstruct_scan(source, how, seed=seed, device=on, held_out=held_out, adapt=adapt, progress=told))


def load_reconstruction(path: str | Path) -> Reconstruction:
    """Read a reconstruction that `save` or `rsd-mri recon` wrote as `.h5`.

    Raises
    ------
    InputError
        If the file is missing or is not one.
    """
    return read_reconstruction(path)


def load_movie(path: str | Path) -> Movie:
    """Read all frames that `Movie.save` or `rsd-mri recon` wrote as `.h5`.

    Raises
    ------
    InputError
        If the file is missing or is not one.
    """
    return Movie(read_frames(path))


def calibrate(
    scans: Sequence[Scan | str | Path],
    acceleration: float = 4.0,
    prior: Prior | str | Path | None = None,
    *,
    samples: int = 8,
    coverage: float = 0.9,
    sampler: str = USUAL,
    levels: int | None = None,
    consistency: bool = False,
    held_out: bool = True,
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[float], object] | None = None,
) -> Calibration:
    """Find by how much the standard deviation has to be scaled to cover the true error.

    Parameters
    ----------
    scans
        Fully sampled scans, or their files; four slices at least.
    acceleration
        Undersample by this.
    coverage
        Share of the body's pixels to cover.
    prior, samples, sampler, levels, consistency, held_out, seed, device, progress
        As for `reconstruct`.

    Raises
    ------
    InputError
        If a scan is undersampled, or there are too few slices.
    """
    if samples < 2:
        raise InputError(f"samples {samples}: an interval needs at least 2")
    on = resolve_device(device)
    chosen = sampler_of(sampler, levels, SAMPLERS)
    if not isinstance(prior, Prior):
        prior = find_prior(None if prior is None else Path(prior), "posterior", chosen)
    method = Posterior.of(prior.to(on), Sampling(chosen, samples, consistency))
    read = (one if isinstance(one, Scan) else read_scan(one) for one in scans)
    return calibrations.calibrate(
        full_scans.undersampled_pairs(read, acceleration, seed),
        len(scans),
        coverage,
        method,
        seed=seed,
        device=on,
        held_out=held_out,
        progress=Progress.of(progress),
    )
