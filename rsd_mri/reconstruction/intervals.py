"""Conformal calibration of the standard deviation on fully sampled scans.

Split conformal prediction (Lei et al. 2018, doi:10.1080/01621459.2017.1307116) with one score per image: the scale at
which the standard deviation covers the wanted share of the body's pixels. Images, not pixels, are exchangeable.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.coils.acs import MIN_CENTRE, prepared_readout
from rsd_mri.errors import InputError
from rsd_mri.files import written_whole
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.randomness import generator
from rsd_mri.priors import PRIORS
from rsd_mri.priors.prior import Prior
from rsd_mri.protocol import MaskSettings
from rsd_mri.reconstruction.finish import crop, pooled
from rsd_mri.reconstruction.full_shots import image_of_all_shots, with_fewer_shots
from rsd_mri.reconstruction.methods import Method
from rsd_mri.reconstruction.reconstruct import CPU, reconstruct_scan
from rsd_mri.results.reconstruction import PosteriorPart, PriorUse, Reconstruction
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.scan.scan import Scan

BODY = 0.1
"""Pixels brighter than this share of the 99th percentile count as the body."""

OWN_WEIGHT = 0.5
"""How far to follow a scan's own lines, as a power: they are few, and the lines never acquired are not quite like them.
On 14 scans with known images (protocols/trust.md) 0.5 fitted best, on its own and beside the package's calibration."""
OWN_ALONE, OWN_COVERAGE = 1.9, 0.9
"""Half width over standard deviation where the lines speak alone and the error is the spread, and what it covers; for
Gaussian errors that are known 1.64 would be enough."""
OWN_MIXED, OWN_SHIFT = 1.7, 1.2
"""Where the standard deviation is the root of spread times the reconstructor's: half width over standard deviation and
the root of error over spread, where the lines speak alone; and what the package's half width is taken times beside
error over spread on this scan's lines over what is usual there, which the reconstructor does not know to widen with.
Of 12 scans with known images (protocols/trust.md)."""

CENTRE_LINES = 20
"""Fully sampled centre of the masks drawn here, where the acceleration leaves so many lines."""


@dataclass(frozen=True)
class Calibration:
    """How the standard deviation relates to the true error."""

    factor: float
    """Half width of the interval over `std`."""
    coverage: float
    """Share of the body's pixels wanted inside the interval."""
    confidence: float
    """At least this share of exchangeable images reach it."""
    covered: float
    """Share covered with this factor, mean over the calibration images, each with the others' factor."""
    rank_correlation: float
    """Spearman's, of the standard deviation with the true error in the body; mean over the images."""
    rank_limit: float
    """The same of the true error averaged over as many neighbours as the standard deviation: a smooth map's best."""
    images: int
    acceleration: float
    samples: int
    sampler: str
    levels: int
    prior_hash: str
    own_lines: float | None = None
    """Error over spread on lines left out of the calibration scans, the median; None where none were left out."""
    deviation: str = "spread"
    """What `std` is, as `Posterior.deviation` says it."""
    along_lines: bool = True
    """Whether lines were left out; else points, or shots of a trajectory."""

    def lines(self) -> list[str]:
        """For a person."""
        return [
            f"{self.images} images at R={self.acceleration:.2f}: {self.factor:.2f} standard deviations cover "
            f"{self.coverage:.0%} of the body in at least {self.confidence:.0%} of images like these",
            f"left out one by one: {self.covered:.1%} covered; rank correlation with the true error "
            f"{self.rank_correlation:.2f}, of {self.rank_limit:.2f} in reach of a smooth map. {NOT_FOR_DIAGNOSTIC_USE}",
        ]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def image_score(target: NDArray[Any], mean: NDArray[Any], std: NDArray[Any], coverage: float) -> float:
    """Number of standard deviations that cover a share of an image's body."""
    body = body_of(target)
    ratio = np.abs(mean - target)[body] / np.maximum(std[body], np.finfo(np.float32).tiny)
    return float(np.quantile(ratio, coverage))


@dataclass(frozen=True)
class Compared:
    """A reconstruction beside what is true; images are magnitudes [slice, readout, phase_encode]."""

    target: NDArray[np.float32]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    acceleration: float
    """Realised acceleration."""
    own_lines: float | None = None
    """Error over spread on acquired lines that were left out."""
    along_lines: bool = True
    """Whether the scan left out lines."""


def body_of(target: NDArray[Any]) -> NDArray[np.bool_]:
    """Where there is anything to be right or wrong about."""
    return np.asarray(target > BODY * np.quantile(target, 0.99))


def conformal_factor(scores: NDArray[np.float64], confidence: float) -> float:
    """The smallest score that a further image exceeds with a probability of at most 1 - confidence.

    The ceil((n + 1) confidence)-th smallest of n scores.

    Raises
    ------
    InputError
        If there are too few scores for that confidence.
    """
    rank = math.ceil((len(scores) + 1) * confidence - 1e-9)
    if rank > len(scores):
        raise InputError(
            f"{len(scores)} images are too few for a confidence of {confidence:.0%}; give at least "
            f"{math.ceil(confidence / (1 - confidence) - 1e-9)} fully sampled slices"
        )
    return float(np.sort(scores)[rank - 1])


def undersampled_pairs(
    scans: Iterable[Scan], acceleration: float, seed: int
) -> Iterator[tuple[Scan, NDArray[np.float32]]]:
    """What `calibrate` takes, of fully sampled scans: each undersampled by a mask of its own, and its image.

    Raises
    ------
    InputError
        If a scan is not fully sampled.
    """
    for scan in scans:
        target = full_image(scan)
        yield undersampled(scan, acceleration, seed), target


def calibrate(
    scans: Iterable[tuple[Scan, NDArray[np.float32]]],
    count: int,
    coverage: float,
    method: Method,
    *,
    seed: int = 0,
    device: torch.device = CPU,
    held_out: bool = True,
    confidence: float = 0.8,
    progress: Progress = SILENT,
) -> Calibration:
    """Reconstruct scans whose images are known, and compare error with standard deviation.

    Parameters
    ----------
    scans, count
        Undersampled scans, each with the true magnitude [slice, readout, phase_encode]; and how many.
    coverage, confidence
        See `Calibration`.
    method, seed, device, held_out
        As `reconstruct_scan` takes them.
    progress
        Told the share done.

    Raises
    ------
    InputError
        If there are too few slices.
    """
    each = [
        compared(scan, target, method, seed=seed, device=device, held_out=held_out, progress=part)
        for (scan, target), part in progress.each(scans, count=count)
    ]
    return calibration_of(each, coverage, method, confidence)


def compared(
    scan: Scan,
    target: NDArray[np.float32],
    method: Method,
    *,
    seed: int = 0,
    device: torch.device = CPU,
    held_out: bool = True,
    progress: Progress = SILENT,
) -> Compared:
    """Reconstruct one scan whose magnitude [slice, readout, phase_encode] is known; options as for `calibrate`."""
    rec = reconstruct_scan(scan, method, seed=seed, device=device, held_out=held_out, progress=progress)
    std = np.zeros_like(rec.magnitude) if rec.std is None else rec.std
    return Compared(
        target, rec.magnitude, std, rec.acceleration, rec.checks.get("own_lines_factor"), rec.mask.ndim == 1
    )


def calibration_of(scans: Sequence[Compared], coverage: float, method: Method, confidence: float = 0.8) -> Calibration:
    """Find the factor for scans that were compared with what is true of them.

    Raises
    ------
    InputError
        If there are too few slices.
    """
    pairs: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = [
        slices for one in scans for slices in zip(one.target, one.mean, one.std, strict=True)
    ]
    realised = [one.acceleration for one in scans]
    scores = np.array([image_score(*pair, coverage) for pair in pairs])
    factor = conformal_factor(scores, confidence)
    own = [one.own_lines for one in scans if one.own_lines is not None]
    return Calibration(
        factor,
        coverage,
        confidence,
        _left_out(pairs, scores, confidence),
        float(np.mean([rank_correlation(*pair) for pair in pairs])),
        float(np.mean([rank_limit(target, mean) for target, mean, _ in pairs])),
        len(pairs),
        float(np.mean(realised)),
        method.samples,
        *_made_by(method.name, method.parameters(), method.prior),
        float(np.median(own)) if own else None,
        _deviation(method.parameters()),
        all(one.along_lines for one in scans),
    )


def _left_out(pairs: list[tuple[Any, Any, Any]], scores: NDArray[np.float64], confidence: float) -> float:
    """Share of the body covered in each image by the factor of the others; the largest of them where few."""
    shares = []
    for i, (target, mean, std) in enumerate(pairs):
        others = np.sort(np.delete(scores, i))
        if not len(others):
            return float("nan")
        rank = min(math.ceil((len(others) + 1) * confidence - 1e-9), len(others))
        body = body_of(target)
        shares.append(np.mean(np.abs(mean - target)[body] <= others[rank - 1] * std[body]))
    return float(np.mean(shares))


def rank_correlation(target: NDArray[Any], mean: NDArray[Any], std: NDArray[Any]) -> float:
    """Spearman's correlation of the standard deviation with the true error in the body."""
    from scipy.stats import spearmanr

    body = body_of(target)
    return float(spearmanr(std[body], np.abs(mean - target)[body])[0])


def rank_limit(target: NDArray[Any], mean: NDArray[Any]) -> float:
    """Rank correlation that the true error has with itself, averaged over neighbours as the standard deviation is."""
    return rank_correlation(target, mean, pooled((mean - target) ** 2))


def full_image(scan: Scan) -> NDArray[np.float32]:
    """Root sum of squares of a fully sampled scan, [slice, readout, phase_encode], as its reconstruction is cropped.

    Along a trajectory of weighted least squares, coil by coil.

    Raises
    ------
    InputError
        If the scan is undersampled.
    """
    from rsd_mri.coils.acs import without_oversampling
    from rsd_mri.operators import ifft2c

    if scan.trajectory is not None:
        return image_of_all_shots(scan)
    if not scan.mask.all():
        raise InputError(
            f"{scan.source}: calibration needs fully sampled scans, this one has R={scan.realised_acceleration:.2f}"
        )
    images = []
    for kspace in scan.kspace:
        narrow = torch.from_numpy(np.ascontiguousarray(without_oversampling(kspace, prepared_readout(scan))))
        image = ifft2c(narrow).abs().square().sum(0).sqrt()
        wanted = scan.image_size or scan.size
        images.append(crop(image, (min(wanted[0], image.shape[0]), min(wanted[1], image.shape[1]))).numpy())
    return np.stack(images)


def undersampled(scan: Scan, acceleration: float, seed: int) -> Scan:
    """Keep only the lines of a mask drawn for this scan; of a trajectory fewer of its shots."""
    if scan.trajectory is not None:
        return with_fewer_shots(scan, acceleration)
    # With fewer centre lines the coil maps fail before the methods do (docs/choices.md).
    centre = CENTRE_LINES if scan.size[1] / acceleration > CENTRE_LINES else None
    asked = MaskSettings(acceleration=acceleration, acs_lines=centre)
    pattern = draw_mask(asked, scan.size, generator(seed, scan.source.name, "calibration mask"))
    if pattern.acs_lines < MIN_CENTRE:
        raise InputError(
            f"{scan.source}: --accel {acceleration:g} leaves {pattern.acs_lines} centre lines, fewer than the "
            f"{MIN_CENTRE} that coil maps need; take a lower one"
        )
    mask = pattern.mask.numpy()
    return replace(scan, kspace=scan.kspace * mask, mask=mask, mask_source="file")


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration as JSON."""
    values = {**calibration.as_dict(), "version": __version__, "use": NOT_FOR_DIAGNOSTIC_USE}
    with written_whole(path) as partial:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_calibration(path: Path) -> Calibration:
    """Read what `write_calibration` wrote.

    Raises
    ------
    InputError
        If the file is missing or is no calibration.
    """
    wrong = InputError(f"{path}: expected a calibration; make one with `rsd-mri calibrate`")
    if not path.is_file():
        raise wrong
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        # Calibrations of before know nothing of lines left out, and their deviation was the spread, of lines.
        known = {"own_lines": None, "deviation": "spread", "along_lines": True, **values}
        return Calibration(**{name: known[name] for name in Calibration.__dataclass_fields__})
    except (ValueError, KeyError, TypeError):
        raise wrong from None


def with_interval(rec: Reconstruction, calibration: Calibration) -> Reconstruction:
    """Add the calibrated half width, and say where the calibration does not fit.

    Raises
    ------
    InputError
        If the reconstruction has no standard deviation.
    """
    if rec.posterior is None or not rec.posterior.std.any():
        raise InputError(
            f"--calibration needs two posterior samples or more; take --method posterior --samples "
            f"{calibration.samples}"
        )
    notes = [
        f"The half width covers {calibration.coverage:.0%} of the body in at least {calibration.confidence:.0%} of "
        f"images like the {calibration.images} it was calibrated on, and says nothing of others"
    ]
    sampler, levels, hashed = _made_by(rec.method, rec.parameters, rec.prior)
    differs = {
        "prior": hashed != calibration.prior_hash,
        "sampler": sampler != calibration.sampler,
        "number of levels": levels != calibration.levels,
        "number of samples": rec.parameters.get("samples", 1) != calibration.samples,
        "kind of sampling": (rec.mask.ndim == 1) != calibration.along_lines,
        "acceleration": abs(rec.acceleration / calibration.acceleration - 1) > 0.2,
    }
    if any(differs.values()):
        names = ", ".join(name for name, other in differs.items() if other)
        notes.append(f"The calibration was made with another {names}: its coverage does not hold here")
    posterior = replace(rec.posterior, half_width=calibration.factor * rec.posterior.std)
    return replace(rec, posterior=posterior, notes=(*rec.notes, *notes))


def with_own_interval(rec: Reconstruction) -> Reconstruction:
    """Add the half width that the package's calibration and the scan's own lines together give.

    The package's calibration, where it has one of this prior, sampler and number of levels (of several that with the
    nearest acceleration), says how wide the interval is on average; how the error compares with the spread on lines
    left out of this scan, by the power `OWN_WEIGHT`, how much wider here than on the calibration's. For patterns in two
    directions, which the package was not calibrated on, and for other samplers the lines speak alone. Without either,
    or without a standard deviation, nothing is added.
    """
    if rec.posterior is None or rec.prior is None or not rec.posterior.std.any():
        return rec
    known = [read_calibration(path) for path in sorted(PRIORS.glob("*/calibration-*.json"))]
    made, deviation = _made_by(rec.method, rec.parameters, rec.prior), _deviation(rec.parameters)
    fitting = [c for c in known if (c.sampler, c.levels, c.prior_hash) == made and c.deviation == deviation]
    own, mixed = rec.checks.get("own_lines_factor"), deviation == "both"
    nearest = min(fitting, key=lambda c: abs(math.log(c.acceleration / rec.acceleration)), default=None)
    typical = own if nearest is None or nearest.own_lines is None else nearest.own_lines
    if own is not None and typical is not None and (nearest is None or rec.mask.ndim == 2):
        note = (
            f"The half width is to cover {OWN_COVERAGE:.0%} of the body; its scale is from acquired lines left out of "
            "this scan"
        )
        if mixed:
            return _with_half_width(rec, rec.posterior, OWN_MIXED * own**0.5, note)
        return _with_half_width(rec, rec.posterior, OWN_ALONE * typical * (own / typical) ** OWN_WEIGHT, note)
    if nearest is None:
        return rec
    if own is None or typical is None:
        note = "That calibration is the package's, on simulated heads; make your own with `rsd-mri calibrate`"
        done = with_interval(rec, nearest)
        return replace(done, notes=(*done.notes, note))
    scale = OWN_SHIFT * own / typical if mixed else (own / typical) ** OWN_WEIGHT
    note = (
        f"The half width is to cover {nearest.coverage:.0%} of the body: that of simulated heads, times {scale:.2f} by "
        "the acquired lines left out of this scan"
    )
    return _with_half_width(rec, rec.posterior, nearest.factor * scale, note)


def _made_by(method: str, parameters: Mapping[str, Any], prior: "PriorUse | Prior | None") -> tuple[str, int, str]:
    """Sampler, its levels and the hash of the network; of a method without a sampler its name, and no levels."""
    hashed = parameters.get("network_hash") or (None if prior is None else prior.sha256)
    return str(parameters.get("sampler", method)), int(parameters.get("levels", 0)), str(hashed)


def _deviation(parameters: Mapping[str, Any]) -> str:
    return str(parameters.get("deviation", "spread"))


def _with_half_width(rec: Reconstruction, posterior: PosteriorPart, factor: float, note: str) -> Reconstruction:
    posterior = replace(posterior, half_width=(factor * posterior.std).astype(np.float32))
    return replace(rec, posterior=posterior, notes=(*rec.notes, note))
