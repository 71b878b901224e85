"""`restore` from the command's point of view: picture files in, restored pictures out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.about.plain import Json
from rsd_mri.errors import InputError
from rsd_mri.files import require_writable, write_json, written_whole
from rsd_mri.files.claims import claimed
from rsd_mri.files.targets import written_apart
from rsd_mri.files.trouble import refused
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.metrics.image_quality import SSIM_WINDOW, psnr, ssim
from rsd_mri.priors.prior import Prior
from rsd_mri.protocol.corruptions import OfImages
from rsd_mri.reconstruction.one_picture import restore
from rsd_mri.reconstruction.posterior.samplers import Sampler


@dataclass(frozen=True)
class Restoration:
    """One picture that was restored and written; what is None does not apply."""

    picture: str
    corruption: dict[str, str | int | float]
    """What was undone: its kind and settings."""
    settings: dict[str, str | int | float]
    """Of the sampler."""
    samples: int
    std: float
    """Standard deviation over the samples, mean over the pixels."""
    std_white: float
    """What is white in the picture of the standard deviation."""
    seed: int
    prior: str
    prior_hash: str
    files: list[str]
    psnr: float | None = None
    """Against the reference [dB]."""
    ssim: float | None = None
    psnr_given: float | None = None
    """The same of the picture as it was given."""
    ssim_given: float | None = None
    version: str = __version__
    not_for_diagnostic_use: str = NOT_FOR_DIAGNOSTIC_USE

    def as_dict(self) -> dict[str, Json]:
        """For a program."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def lines(self) -> list[str]:
        """For a person."""
        found = "" if self.psnr is None else f", PSNR {self.psnr:.2f} dB, SSIM {self.ssim:.3f}"
        given = "" if self.psnr_given is None else f" (as given: PSNR {self.psnr_given:.2f} dB)"
        return [
            f"{self.picture}: mean of {self.samples} samples, std {self.std:.3f}{found}{given}",
            *(f"  {path}" for path in self.files),
        ]


@dataclass
class Restored:
    """What was written, and what failed."""

    written: list[Restoration] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For a person."""
        return [*(line for one in self.written for line in one.lines()), NOT_FOR_DIAGNOSTIC_USE]

    def as_dict(self) -> dict[str, Json]:
        """For a program."""
        return {
            "restorations": [one.as_dict() for one in self.written],
            "failures": self.failures,
            "not_for_diagnostic_use": True,
        }


def restore_files(
    pictures: Sequence[Path],
    prior: Prior,
    corruption: OfImages,
    samples: int,
    sampler: Sampler,
    out: Path | None,
    mask: Path | None = None,
    reference: Path | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Restored:
    """Restore each picture; one that fails does not stop the others.

    Writes NAME_restored.png (the mean of the samples), NAME_std.png (white is the largest), NAME_samples.npy
    [sample, channel, y, x] in [-1, 1] and NAME_restored.json.

    Parameters
    ----------
    pictures
        Picture files, or `.npy` arrays [channel, y, x] or [y, x]: bytes, or real in [-1, 1].
    prior, corruption, sampler
        As `pictures.restore` takes them.
    samples
        Per picture.
    out
        Folder; beside each picture where None.
    mask
        Inpainting: a picture, white where a pixel is seen; for all pictures.
    reference
        The true picture, or a folder with one of each picture's name.
    seed
        Of the samples.
    progress
        Told the share done and the picture's name.

    Raises
    ------
    InputError
        If two pictures would be written to the same files.
    """
    done = Restored()
    apart = written_apart(pictures, lambda path: path, lambda path: (out or path.parent) / f"{path.stem}_restored")
    for path, part in progress.each(apart, lambda path: path.name):
        try:
            require_writable(out or path.parent)
            with claimed((out or path.parent) / f"{path.stem}_restored"):
                done.written.append(
                    _restore_file(path, prior, corruption, samples, sampler, out, mask, reference, seed, part)
                )
        except (InputError, OSError) as error:
            said = str(error) if isinstance(error, InputError) else refused(error)
            if said is None:
                raise
            done.failures.append(said if path.name in said else f"{path}: {said}")
    return done


def _restore_file(
    path: Path,
    prior: Prior,
    corruption: OfImages,
    samples: int,
    sampler: Sampler,
    out: Path | None,
    mask: Path | None,
    reference: Path | None,
    seed: int,
    progress: Progress,
) -> Restoration:
    channels = (prior.inputs.image_shape or (3,))[0]
    picture = read_picture(path, channels)
    truth = None if reference is None else read_picture(_reference_of(path, reference), channels)
    known = None if mask is None else read_picture(mask, 1)[0] > 0
    device = next(prior.denoiser.parameters()).device
    keys = [(seed, "restore", path.stem, i) for i in range(samples)]
    made = restore(
        prior,
        torch.from_numpy(picture).to(device),
        corruption,
        None if known is None else torch.from_numpy(known),
        keys,
        sampler,
        progress,
    )
    found: NDArray[np.float32] = made.cpu().numpy()
    if not np.isfinite(found).all():
        raise InputError(f"{path}: the sampler gave undefined values; take more --levels or another --sampler")
    mean, std = found.mean(0), found.std(0, ddof=1) if samples > 1 else np.zeros_like(found[0])
    found_quality: dict[str, Any] = {}
    if truth is not None:
        found_quality |= quality(truth, mean, "")
        if picture.shape == truth.shape:
            found_quality |= quality(truth, picture, "_given")
    folder = out or path.parent
    files = {end: folder / f"{path.stem}_{end}" for end in ("restored.png", "std.png", "samples.npy", "restored.json")}
    write_picture(files["restored.png"], (mean + 1) / 2)
    write_picture(files["std.png"], std / max(float(std.max()), 1e-12))
    with written_whole(files["samples.npy"]) as partial, partial.open("wb") as file:
        np.save(file, found)
    done = Restoration(
        str(path),
        _described(corruption),
        sampler.parameters(),
        samples,
        float(std.mean()),
        float(std.max()),
        seed,
        str(prior.path),
        prior.sha256,
        [str(file) for file in files.values()],
        **found_quality,
    )
    write_json(files["restored.json"], done.as_dict())
    return done


def _described(corruption: OfImages) -> dict[str, str | int | float]:
    values = {name: value for name, value in asdict(corruption).items() if name not in corruption.drawn}
    return {**values, "kind": corruption.restored_as or corruption.kind}


def quality(truth: NDArray[np.float32], image: NDArray[np.float32], suffix: str) -> dict[str, float]:
    """PSNR [dB] and SSIM of images [channel, y, x] in [-1, 1], clipped to it; the mean over the channels.

    Raises
    ------
    InputError
        If the sizes differ or are too small for SSIM.
    """
    if truth.shape != image.shape:
        raise InputError(f"the reference has the shape {list(truth.shape)}, the restored image {list(image.shape)}")
    if min(truth.shape[1:]) < SSIM_WINDOW:
        raise InputError(f"SSIM needs images of {SSIM_WINDOW} x {SSIM_WINDOW} or more; leave --reference out")
    target, found = ((np.clip(x, -1, 1).astype(np.float64) + 1) / 2 for x in (truth, image))
    return {f"psnr{suffix}": psnr(target, found, 1.0), f"ssim{suffix}": ssim(target, found, 1.0)}


def read_picture(path: Path, channels: int) -> NDArray[np.float32]:
    """Read one picture as [channel, y, x] in [-1, 1].

    Raises
    ------
    InputError
        If it cannot be read or has other channels.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such picture")
    try:
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
            array = array[None] if array.ndim == 2 else array
        else:
            with Image.open(path) as opened:
                array = np.asarray(opened.convert("RGB" if channels == 3 else "L"))
            array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    except (UnidentifiedImageError, OSError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read as a picture ({error})") from error
    if array.ndim != 3 or array.shape[0] != channels or array.dtype.kind not in "fu" or not np.isfinite(array).all():
        raise InputError(
            f"{path}: expected a picture of {channels} channels, bytes or real in [-1, 1], got {array.dtype} "
            f"{list(array.shape)}"
        )
    real = array / np.float32(127.5) - 1 if array.dtype == np.uint8 else array
    found: NDArray[np.float32] = real.astype(np.float32)
    return found


def write_picture(path: Path, image: NDArray[np.floating]) -> None:
    """Write [channel, y, x], 0 to 1, as a PNG that says what it must not be used for."""
    stored = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    text = PngInfo()
    text.add_text("Comment", NOT_FOR_DIAGNOSTIC_USE)
    with written_whole(path) as partial:
        Image.fromarray(stored[0] if len(stored) == 1 else stored.transpose(1, 2, 0)).save(partial, pnginfo=text)


def _reference_of(path: Path, reference: Path) -> Path:
    return reference / path.name if reference.is_dir() else reference
