"""Generated images against real ones: distances, precision and recall, each with its interval."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.about.plain import Json
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.metrics.distribution import frechet_distance, frechet_interval, kernel_distance, precision_recall
from rsd_mri.metrics.features import INSTALL, Extractor

FEWEST = 10
BLOCK = 1000
"""Most images in a block of the kernel distance."""
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Figure:
    """A number with the half width of its 95 % interval."""

    value: float
    interval: float
    note: str = ""
    """How the interval was found."""


@dataclass(frozen=True)
class SetMetrics:
    """How far a set of images is from another, by one feature extractor."""

    figures: dict[str, Figure]
    images: int
    reference_images: int
    features: str
    feature_count: int
    features_sha256: str | None = None

    def lines(self) -> list[str]:
        """Say it, with everything a reader needs to compare it."""
        out = [f"{self.images} images against {self.reference_images}; features: {self.features}"]
        out += [f"{n:<18}{f.value:>12.5g} +- {f.interval:<10.3g}{f.note}" for n, f in self.figures.items()]
        if min(self.images, self.reference_images) <= self.feature_count:
            out.append(
                f"fewer images than the {self.feature_count} features: the Frechet distance is biased upwards; "
                "compare it only with sets of the same sizes"
            )
        return out

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return {
            **{name: figure.value for name, figure in self.figures.items()},
            "intervals": {name: figure.interval for name, figure in self.figures.items()},
            **{k: v for k, v in asdict(self).items() if k != "figures"},
        }


def compare_sets(
    images: NDArray[Any],
    reference: NDArray[Any],
    extractor: Extractor,
    device: torch.device,
    batch: int = 64,
    seed: int = 0,
    progress: Progress = SILENT,
) -> SetMetrics:
    """Judge generated images by real ones.

    The Frechet distance is called FID and the kernel distance KID where the features are Inception's. Intervals are
    of the generated sample: the bootstrap for the Frechet distance, disjoint blocks for the kernel distance, binomial
    for precision and recall, the tenths of the sample for the Inception score.

    Parameters
    ----------
    images, reference
        [image, 3, y, x], both of bytes or both magnitudes as they are.
    extractor
        The feature space.
    device, batch
        Where the features are computed, and how many images at a time.
    seed
        Of the order in which images are put into blocks.
    progress
        Told the share done.

    Raises
    ------
    InputError
        If a set has fewer than 10 images.
    """
    if min(len(images), len(reference)) < FEWEST:
        raise InputError(
            f"expected at least {FEWEST} images in each set, got {len(images)} and {len(reference)}; generate more"
        )
    total = len(images) + len(reference)
    real, _ = extractor(reference, batch, device, progress.part(0, len(reference) / total))
    fake, logits = extractor(images, batch, device, progress.part(len(reference) / total, 1))
    if real.shape[1] != fake.shape[1]:
        raise InputError(
            f"{extractor.name}: {fake.shape[1]} features of the images but {real.shape[1]} of the reference; bring "
            "both sets to one size"
        )
    short = ("fid", "kid") if extractor.inception else ("frechet_distance", "kernel_distance")
    # A bootstrap draw costs an eigenvalue problem of the size of the features.
    draws = 40 if real.shape[1] <= 256 else 10
    figures = {
        short[0]: Figure(
            frechet_distance(real, fake), frechet_interval(real, fake, draws), f"bootstrap, {draws} draws"
        ),
        short[1]: block_kernel_distance(real, fake, seed),
    }
    for name, share, count in zip(
        ("precision", "recall"), precision_recall(real, fake), (len(fake), len(real)), strict=True
    ):
        figures[name] = Figure(share, NORMAL_95 * (share * (1 - share) / count) ** 0.5, "binomial")
    if logits is not None:
        figures["inception_score"] = inception_score(logits, seed)
    return SetMetrics(figures, len(fake), len(real), extractor.name, real.shape[1], extractor.sha256)


def block_kernel_distance(real: NDArray[Any], fake: NDArray[Any], seed: int = 0) -> Figure:
    """Kernel distance: the mean over disjoint blocks, each without bias, so the mean has none either.

    Parameters
    ----------
    real, fake
        [image, feature].
    seed
        Of the order of the images.
    """
    least = min(len(real), len(fake))
    blocks = max(least // BLOCK, min(10, least // 20), 2)
    size = least // blocks
    rng = np.random.default_rng(seed)
    order = [rng.permutation(len(f))[: blocks * size].reshape(blocks, size) for f in (real, fake)]
    values = [kernel_distance(real[r], fake[f]) for r, f in zip(*order, strict=True)]
    interval = NORMAL_95 * float(np.std(values, ddof=1)) / blocks**0.5
    return Figure(float(np.mean(values)), interval, f"{blocks} blocks of {size}")


def inception_score(logits: NDArray[Any], seed: int = 0, parts: int = 10) -> Figure:
    """Inception score (Salimans et al. 2016, arXiv 1606.03498), by torch-fidelity; the mean over `parts` of the sample.

    Raises
    ------
    InputError
        If torch-fidelity is not installed.
    """
    try:
        from torch_fidelity.metric_isc import isc_features_to_metric
    except ImportError as error:
        raise InputError(f"the Inception score needs torch-fidelity: {INSTALL}") from error
    found = isc_features_to_metric(torch.from_numpy(logits), splits=parts, rng_seed=seed)
    interval = NORMAL_95 * found["inception_score_std"] / (parts - 1) ** 0.5
    return Figure(found["inception_score_mean"], interval, f"{parts} parts")


def perceptual_distance(images: NDArray[np.uint8], reference: NDArray[np.uint8], device: torch.device) -> Figure:
    """LPIPS (Zhang et al. 2018, arXiv 1801.03924, AlexNet) of pairs of images, by torchmetrics: its mean.

    Parameters
    ----------
    images, reference
        Bytes [image, 3, y, x], the same number of the same size.
    device
        Where to compute.

    Raises
    ------
    InputError
        If torchmetrics is missing, its weights cannot be fetched, or the images do not pair up.
    """
    if images.shape != reference.shape:
        raise InputError(
            f"LPIPS compares pairs: expected two sets of one shape, got {list(images.shape)} and "
            f"{list(reference.shape)}"
        )
    try:
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
    except ImportError as error:
        raise InputError(f"LPIPS needs torchmetrics: {INSTALL}") from error
    try:
        metric = LearnedPerceptualImagePatchSimilarity("alex", reduction="none").to(device)
    except OSError as error:
        raise InputError(f"LPIPS: AlexNet's weights cannot be fetched ({error}); leave --lpips out") from error
    values = []
    for first in range(0, len(images), 32):
        pair = [torch.from_numpy(s[first : first + 32] / np.float32(127.5) - 1).to(device) for s in (images, reference)]
        values.append(metric(*pair).reshape(-1).cpu().numpy())
    found = np.concatenate(values)
    return Figure(float(found.mean()), float(NORMAL_95 * found.std() / max(len(found) - 1, 1) ** 0.5), "pairs")
