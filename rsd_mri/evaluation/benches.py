"""The published experiments.

Figures are Frechet inception distances of 50,000 images to clean ones, of Restoration Score Distillation
(arXiv 2505.13377); `source` says where they were read. Those of the MRI experiments were computed on unscaled
magnitudes and compare with nothing but themselves.
"""

from dataclasses import asdict, dataclass
from typing import Any

from rsd_mri.errors import InputError, alike

README = "README of the reference code of arXiv 2505.13377"
UNREAD = "in the paper; the figure could not be read"
NOTES = "third-party notes on arXiv 2505.13377, not checked against the paper"


@dataclass(frozen=True)
class Bench:
    """One experiment."""

    name: str
    corruption: str
    """Operator and noise level, images in [-1, 1]."""
    data: str
    published: str
    """What was printed: one-step generator against its teacher."""
    source: str

    def as_dict(self) -> dict[str, str]:
        """Plain values."""
        return asdict(self)


def _fid(generator: float, teacher: float, full: float | None = None) -> str:
    more = "" if full is None else f", untruncated {full:g}"
    return f"FID {generator:g} (teacher {teacher:g}{more})"


BENCHES = (
    Bench("linear", "identity, square, wide, random masks; sigma 0 to 1", "low-rank Gaussians, drawn here",
          "b = 0, k = r: U U^T = (1 + sigma^2) E E^T; b = sigma^2: U U^T = E E^T", "closed form"),
    Bench("recon", "undersampled 2, 4, 6 and 8-fold", "simulated wrapped heads, or --data", "none of ours; sigpy, "
          "BART and deepinv run beside", "measured here"),
    Bench("noise-0.1-cifar10", "noise, sigma 0.1", "CIFAR-10, 32x32", _fid(3.98, 7.55, 25.55), README),
    Bench("noise-0.2-cifar10", "noise, sigma 0.2", "CIFAR-10, 32x32", _fid(4.77, 12.21, 60.73), README),
    Bench("noise-0.4-cifar10", "noise, sigma 0.4", "CIFAR-10, 32x32", _fid(21.63, 22.12, 124.28), README),
    Bench("noise-0.2-ffhq", "noise, sigma 0.2", "FFHQ, 64x64", _fid(6.29, 14.67), NOTES),
    Bench("noise-0.2-celeba", "noise, sigma 0.2", "CelebA-HQ, 64x64", _fid(6.48, 13.90), README),
    Bench("noise-0.2-afhq", "noise, sigma 0.2", "AFHQ-v2, 64x64", _fid(5.42, 9.82), NOTES),
    Bench("blur-celeba", "Gaussian blur 9x9, std 2", "CelebA-HQ, 64x64", "FID 31.9", NOTES),
    Bench("blur-noise-0.2-celeba", "Gaussian blur 9x9, std 2, noise 0.2", "CelebA-HQ, 64x64", _fid(76.98, 99.19),
          NOTES),
    Bench("inpainting-0.6-celeba", "pixels hidden with p = 0.6", "CelebA-HQ, 64x64", _fid(4.44, 6.08), README),
    Bench("inpainting-0.8-celeba", "pixels hidden with p = 0.8", "CelebA-HQ, 64x64", _fid(7.10, 11.19), README),
    Bench("inpainting-0.9-celeba", "pixels hidden with p = 0.9", "CelebA-HQ, 64x64", _fid(16.86, 25.53), README),
    Bench("inpainting-0.6-noise-0.2-celeba", "pixels hidden with p = 0.6, noise 0.2", "CelebA-HQ, 64x64", UNREAD,
          NOTES),
    Bench("inpainting-0.8-noise-0.2-celeba", "pixels hidden with p = 0.8, noise 0.2", "CelebA-HQ, 64x64", UNREAD,
          NOTES),
    Bench("inpainting-0.9-noise-0.2-celeba", "pixels hidden with p = 0.9, noise 0.2", "CelebA-HQ, 64x64", "FID 79.48",
          NOTES),
    Bench("super-resolution-2-celeba", "shrunk by 2", "CelebA-HQ, 64x64", _fid(12.99, 23.28), NOTES),
    Bench("super-resolution-2-noise-0.2-celeba", "shrunk by 2, noise 0.2", "CelebA-HQ, 64x64", UNREAD, NOTES),
    Bench("mri-r2", "4 coils, R = 2 (3 in training)", "fastMRI brain AXT2, 384x320", _fid(12.95, 30.34), README),
    Bench("mri-r4", "4 coils, R = 4 (5 in training)", "fastMRI brain AXT2, 384x320", _fid(10.71, 32.31), README),
    Bench("mri-r6", "4 coils, R = 6 (7 in training)", "fastMRI brain AXT2, 384x320", _fid(14.64, 31.50), README),
    Bench("mri-r8", "4 coils, R = 8 (9 in training)", "fastMRI brain AXT2, 384x320", _fid(22.51, 48.15), README),
)

MINI = "mini-"
"""The small protocol of an experiment has its name after this."""


def find_bench(name: str) -> Bench:
    """Look an experiment up.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    for bench in BENCHES:
        if bench.name == name:
            return bench
    near = alike(name, [b.name for b in BENCHES])
    raise InputError(f"no bench named '{name}'; 'rsd-mri bench list' lists them{near}")


def linear_table(found: dict[str, Any]) -> list[str]:
    """Lines that show what `run_linear` found: for each operator, student and rank the worst case."""
    lines = [f"{'operator':<10}{'student':<9}{'k':<5}{'cases':>6}{'min cos':>9}{'on range':>10}"
             f"{'max W2^2':>10}{'max error':>11}"]
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in found["cases"]:
        student = "b=sigma^2" if row["matched"] else "b=0"
        groups.setdefault((row["operator"], student, "r" if row["k"] == row["r"] else "2r"), []).append(row)
    for (operator, student, rank), rows in groups.items():
        errors = [row["error"] for row in rows if "error" in row]
        lines.append(
            f"{operator:<10}{student:<10}{rank:<4}{len(rows):>6}{min(min(r['cosines']) for r in rows):>9.4f}"
            f"{min(min(r['cosines_seen']) for r in rows):>10.4f}{max(r['w2_squared'] for r in rows):>10.4f}"
            + (f"{max(errors):>11.1e}" if errors else f"{'-':>11}")
        )
    lines.append(f"largest difference from the closed forms: {found['max_error']:.1e} ({found['closed_forms']} cases)")
    return lines
