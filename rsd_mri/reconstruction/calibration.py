"""Conformal calibration of the standard deviation on fully sampled scans.

Split conformal prediction (Lei et al. 2018, doi:10.1080/01621459.2017.1307116) with one score per image: the scale at
which the standard deviation covers the wanted share of the body's pixels. Images, not pixels, are exchangeable.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.about.plain import Json
from rsd_mri.errors import InputError
from rsd_mri.files import write_json
from rsd_mri.files.numbers import numbers_of
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.priors.prior import Prior
from rsd_mri.reconstruction.finish import pooled
from rsd_mri.reconstruction.full_scans import body_of
from rsd_mri.reconstruction.methods import Method
from rsd_mri.reconstruction.reconstruct import CPU, reconstruct_scan
from rsd_mri.results.reconstruction import PriorUse
from rsd_mri.scan.scan import Scan


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

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Compared:
    """A reconstruction beside what is true; images are magnitudes [slice, readout, phase_encode]."""

    target: NDArray[np.float32]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    acceleration: float
    """Realised acceleration."""
    along_lines: bool = True
    """Whether the scan left out lines."""


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
    return Compared(target, rec.magnitude, std, rec.acceleration, rec.mask.ndim == 1)


def calibration_of(scans: Sequence[Compared], coverage: float, method: Method, confidence: float = 0.8) -> Calibration:
    """Find the factor for scans that were compared with what is true of them.

    Parameters
    ----------
    scans
        Truth, image and standard deviation of each.
    coverage
        Share of the pixels of a body that its interval is to cover.
    method
        That made them.
    confidence
        Share of new images of which that much is covered.

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
        *made_by(method.name, method.parameters(), method.prior),
        deviation_of(method.parameters()),
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


def image_score(target: NDArray[Any], mean: NDArray[Any], std: NDArray[Any], coverage: float) -> float:
    """Number of standard deviations that cover a share of an image's body."""
    body = body_of(target)
    ratio = np.abs(mean - target)[body] / np.maximum(std[body], np.finfo(np.float32).tiny)
    return float(np.quantile(ratio, coverage))


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


def rank_correlation(target: NDArray[Any], mean: NDArray[Any], std: NDArray[Any]) -> float:
    """Spearman's correlation of the standard deviation with the true error in the body."""
    from scipy.stats import spearmanr

    body = body_of(target)
    return float(spearmanr(std[body], np.abs(mean - target)[body])[0])


def rank_limit(target: NDArray[Any], mean: NDArray[Any]) -> float:
    """Rank correlation that the true error has with itself, averaged over neighbours as the standard deviation is."""
    return rank_correlation(target, mean, pooled((mean - target) ** 2))


def made_by(method: str, parameters: Mapping[str, Any], prior: "PriorUse | Prior | None") -> tuple[str, int, str]:
    """Sampler, its levels and the hash of the network; of a method without a sampler its name, and no levels."""
    hashed = parameters.get("network_hash") or (None if prior is None else prior.sha256)
    return str(parameters.get("sampler", method)), int(parameters.get("levels", 0)), str(hashed)


def deviation_of(parameters: Mapping[str, Any]) -> str:
    """What the standard deviation is, as `Posterior.deviation` says it."""
    return str(parameters.get("deviation", "spread"))


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration as JSON."""
    values = {**calibration.as_dict(), "version": __version__, "use": NOT_FOR_DIAGNOSTIC_USE}
    write_json(path, values)


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
        # The deviation of calibrations of before was the spread, of lines.
        known = {"deviation": "spread", "along_lines": True, **values}
        kept: Any = numbers_of(Calibration, {name: known[name] for name in Calibration.__dataclass_fields__})
        return Calibration(**kept)
    except (ValueError, KeyError, TypeError):
        raise wrong from None
