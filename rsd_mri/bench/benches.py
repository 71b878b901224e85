"""The published experiments.

Figures are Frechet inception distances of 50,000 images to clean ones, of Restoration Score Distillation
(arXiv 2505.13377); `source` says where they were read. Those of the MRI experiments were computed on unscaled
magnitudes and compare with nothing but themselves.
"""

from dataclasses import dataclass, field
from typing import Any

from rsd_mri.errors import InputError, alike

README = "README of the reference code of arXiv 2505.13377"
NOTES = "third-party notes on arXiv 2505.13377, not checked against the paper"
BOTH = f"{README}; PSNR, inception score, precision and recall: {NOTES}"
UNREAD = "in the paper; the figure could not be read"
OURS = ("linear", "recon", "restore")
"""Benches that are no experiments of the paper and have no protocol of their name."""
MINI = "mini-"
"""The small protocol of an experiment has its name after this."""

LABELS = {
    "fid": "FID {:g}", "teacher_fid": "teacher {:g}", "teacher_full_fid": "untruncated {:g}",
    "denoising_psnr": "denoising PSNR {:g} dB", "inception_score": "IS {:g}", "precision": "precision {:g}",
    "recall": "recall {:g}",
}


@dataclass(frozen=True)
class Bench:
    """One experiment."""

    name: str
    corruption: str
    """Operator and noise level, images in [-1, 1]."""
    data: str
    source: str
    """Of the figures."""
    figures: dict[str, float] = field(default_factory=dict)
    """Published: `fid` of the one-step generator, `teacher_fid` of its teacher truncated at the noise of the data (or
    trained for the corruption), `teacher_full_fid` of the same in full, and more where there is."""
    said: str = ""
    """What was printed where there are no figures."""
    small: str = ""
    """Name of the experiment whose small protocol stands in for this one too, with the same kind of corruption and the
    same noise; its own where empty."""

    @property
    def published(self) -> str:
        """The figures as a text."""
        if not self.figures:
            return self.said
        fids = [LABELS[k].format(v) for k, v in self.figures.items() if "teacher" in k]
        rest = [LABELS[k].format(v) for k, v in self.figures.items() if "teacher" not in k]
        return ", ".join([rest[0] + (f" ({', '.join(fids)})" if fids else ""), *rest[1:]])

    @property
    def mini(self) -> str:
        """Name of its small protocol."""
        return MINI + (self.small or self.name)

    @property
    def whole(self) -> str:
        """Name of its whole protocol; those named `mri` are for scans of any matrix."""
        return self.name.replace("mri-", "fastmri-")

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name, "corruption": self.corruption, "data": self.data, "published": self.published,
            "figures": dict(self.figures), "source": self.source, "protocols": {"mini": self.mini, "paper": self.whole},
        }


def _fid(
    generator: float, teacher: float | None = None, full: float | None = None, **more: float
) -> dict[str, float]:
    found = {"fid": generator, "teacher_fid": teacher, "teacher_full_fid": full, **more}
    return {name: value for name, value in found.items() if value is not None}


CIFAR, FFHQ, CELEBA, AFHQ = "CIFAR-10, 32x32", "FFHQ, 64x64", "CelebA-HQ, 64x64", "AFHQ-v2, 64x64"
BRAIN = "fastMRI brain AXT2, 384x320"

BENCHES = (
    Bench("linear", "identity, square, wide, random masks; sigma 0 to 1", "low-rank Gaussians, drawn here",
          "closed form", said="b = 0, k = r: U U^T = (1 + sigma^2) E E^T; b = sigma^2: U U^T = E E^T"),
    Bench("recon", "undersampled 2, 4, 6 and 8-fold", "simulated wrapped heads, or --data", "measured here",
          said="none of ours; sigpy, BART and deepinv run beside"),
    Bench("restore", "single pictures: noise, hidden pixels, blur, fewer pixels", "held-out patches of photographs",
          "measured here", said="none of ours; scikit-image beside"),
    Bench("noise-0.1-cifar10", "noise, sigma 0.1", CIFAR, BOTH,
          _fid(3.98, 7.55, 25.55, inception_score=9.346, recall=0.578)),
    Bench("noise-0.2-cifar10", "noise, sigma 0.2", CIFAR, BOTH,
          _fid(4.77, 12.21, 60.73, denoising_psnr=24.11, inception_score=9.16, precision=0.65, recall=0.56)),
    Bench("noise-0.4-cifar10", "noise, sigma 0.4", CIFAR, README, _fid(21.63, 22.12, 124.28)),
    Bench("noise-0.2-ffhq", "noise, sigma 0.2", FFHQ, NOTES, _fid(6.29, 14.67), small="noise-0.2-celeba"),
    Bench("noise-0.2-celeba", "noise, sigma 0.2", CELEBA, README, _fid(6.48, 13.90)),
    Bench("noise-0.2-afhq", "noise, sigma 0.2", AFHQ, NOTES, _fid(5.42, 9.82), small="noise-0.2-celeba"),
    Bench("blur-celeba", "Gaussian blur 9x9, std 2", CELEBA, NOTES, _fid(31.9)),
    Bench("blur-noise-0.2-celeba", "Gaussian blur 9x9, std 2, noise 0.2", CELEBA, NOTES, _fid(76.98, 99.19)),
    Bench("inpainting-0.6-celeba", "pixels hidden with p = 0.6", CELEBA, README, _fid(4.44, 6.08)),
    Bench("inpainting-0.8-celeba", "pixels hidden with p = 0.8", CELEBA, README, _fid(7.10, 11.19)),
    Bench("inpainting-0.9-celeba", "pixels hidden with p = 0.9", CELEBA, README, _fid(16.86, 25.53)),
    Bench("inpainting-0.6-noise-0.2-celeba", "pixels hidden with p = 0.6, noise 0.2", CELEBA, NOTES, said=UNREAD,
          small="inpainting-0.9-noise-0.2-celeba"),
    Bench("inpainting-0.8-noise-0.2-celeba", "pixels hidden with p = 0.8, noise 0.2", CELEBA, NOTES, said=UNREAD,
          small="inpainting-0.9-noise-0.2-celeba"),
    Bench("inpainting-0.9-noise-0.2-celeba", "pixels hidden with p = 0.9, noise 0.2", CELEBA, NOTES, _fid(79.48)),
    Bench("super-resolution-2-celeba", "shrunk by 2", CELEBA, NOTES, _fid(12.99, 23.28)),
    Bench("super-resolution-2-noise-0.2-celeba", "shrunk by 2, noise 0.2", CELEBA, NOTES, said=UNREAD),
    Bench("mri-r2", "4 coils, R = 2 (3 in training)", BRAIN, README, _fid(12.95, 30.34)),
    Bench("mri-r4", "4 coils, R = 4 (5 in training)", BRAIN, README, _fid(10.71, 32.31)),
    Bench("mri-r6", "4 coils, R = 6 (7 in training)", BRAIN, README, _fid(14.64, 31.50)),
    Bench("mri-r8", "4 coils, R = 8 (9 in training)", BRAIN, README, _fid(22.51, 48.15)),
)


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
