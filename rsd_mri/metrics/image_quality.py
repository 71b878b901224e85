"""PSNR, SSIM and NMSE as `fastmri.evaluate` defines them.

PSNR and SSIM are scaled by the maximum of the whole target volume (Zbontar et al. 2018, arXiv 1811.08839, section 5).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.files.hdf5 import read_hdf5
from rsd_mri.machine.progress import SILENT, Progress

METRICS = ("nmse", "psnr", "ssim")
TARGET_KEYS = ("reconstruction_rss", "reconstruction_esc")
SSIM_WINDOW = 7


def nmse(target: NDArray[Any], prediction: NDArray[Any]) -> float:
    """||target - prediction||^2 / ||target||^2 over a volume [slice, y, x]."""
    _require_same_volume(target, prediction)
    return float(np.linalg.norm(target - prediction) ** 2 / np.linalg.norm(target) ** 2)


def psnr(target: NDArray[Any], prediction: NDArray[Any], maximum: float | None = None) -> float:
    """Peak signal-to-noise ratio over a volume [slice, y, x], in dB.

    `maximum` is the peak; the target volume's largest value where not given. Infinite for equal volumes.
    """
    _require_same_volume(target, prediction)
    peak = float(target.max()) if maximum is None else maximum
    error = np.mean((target.astype(np.float64) - prediction.astype(np.float64)) ** 2)
    return float(10 * np.log10(peak**2 / error)) if error > 0 else float("inf")


def ssim(target: NDArray[Any], prediction: NDArray[Any], maximum: float | None = None) -> float:
    """Structural similarity (Wang et al. 2004, doi:10.1109/TIP.2003.819861), the mean over the slices.

    `maximum` is the data range; the target volume's largest value where not given.
    """
    _require_same_volume(target, prediction)
    peak = float(target.max()) if maximum is None else maximum
    return float(np.mean([_ssim_of_slice(t, p, peak) for t, p in zip(target, prediction, strict=True)]))


@dataclass(frozen=True)
class FileQuality:
    """Figures of one file."""

    name: str
    slices: int
    nmse: float
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Evaluated:
    """Reconstructions against their targets."""

    nmse: float
    """Means over the files."""
    psnr: float
    ssim: float
    files: list[FileQuality]
    unused: list[str]
    """Predictions that have no target."""


def evaluate_files(targets: str | Path, predictions: str | Path, progress: Progress = SILENT) -> Evaluated:
    """Compare reconstructions with their targets, file by file.

    Parameters
    ----------
    targets
        A file or a folder of files with `reconstruction_rss` or `reconstruction_esc` [slice, y, x].
    predictions
        A file or a folder; `SCAN.h5` or `SCAN_recon.h5` belongs to the target `SCAN.h5`. Its data set is
        `reconstruction`.
    progress
        Told the share done.

    Returns
    -------
    Evaluated
        Means, and the figures of each file.

    Raises
    ------
    InputError
        If a target has no prediction, a data set is missing, or the sizes do not fit.
    """
    pairs, unused = match_files(Path(targets), Path(predictions))
    rows = []
    for (target_path, prediction_path), _ in progress.each(pairs):
        target = _read(target_path, TARGET_KEYS)
        prediction = _read(prediction_path, ("reconstruction",))
        target, prediction = _cropped(target_path, target, prediction_path, prediction)
        rows.append(
            FileQuality(
                target_path.name,
                len(target),
                nmse(target, prediction),
                psnr(target, prediction),
                ssim(target, prediction),
            )
        )
    return Evaluated(
        float(np.mean([row.nmse for row in rows])),
        float(np.mean([row.psnr for row in rows])),
        float(np.mean([row.ssim for row in rows])),
        rows,
        [path.name for path in unused],
    )


def match_files(targets: Path, predictions: Path) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Pair targets with predictions by name; also return the predictions that have no target.

    Raises
    ------
    InputError
        If a path does not exist, a folder holds no `.h5` file, or a target has no prediction.
    """
    for path in (targets, predictions):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
    if targets.is_file() and predictions.is_file():
        return [(targets, predictions)], []
    found = [targets] if targets.is_file() else sorted(targets.glob("*.h5"))
    if not found:
        raise InputError(f"{targets}: expected at least one .h5 file with a target image, found none")
    offered = [predictions] if predictions.is_file() else sorted(predictions.glob("*.h5"))
    by_name = {path.name: path for path in offered}
    pairs = []
    missing = []
    for target in found:
        names = (target.name, f"{target.stem}_recon.h5")
        match = next((by_name[name] for name in names if name in by_name), None)
        if match is None:
            missing.append(target.name)
        else:
            pairs.append((target, match))
    if missing:
        raise InputError(
            f"{predictions}: no reconstruction (SCAN.h5 or SCAN_recon.h5) for {', '.join(missing)}; "
            f"reconstruct these scans or take their targets away"
        )
    used = {match for _, match in pairs}
    return pairs, [path for path in offered if path not in used]


def _read(path: Path, names: tuple[str, ...]) -> NDArray[Any]:
    if not h5py.is_hdf5(path):
        raise InputError(f"{path}: expected an HDF5 file, this is another format")
    with read_hdf5(path) as file:
        name = next((name for name in names if name in file), None)
        if name is None:
            raise InputError(
                f"{path}: expected a data set `{'` or `'.join(names)}`, the file has {', '.join(file) or 'none'}"
            )
        volume = np.asarray(file[name][()])
    if volume.ndim != 3 or volume.dtype.kind != "f" or not np.isfinite(volume).all():
        raise InputError(
            f"{path}: `{name}` must be finite real magnitudes [slice, y, x], got {volume.dtype} {volume.shape}"
        )
    return volume


def _cropped(
    target_path: Path, target: NDArray[Any], prediction_path: Path, prediction: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cut both to the centre square of the target, as fastMRI does."""
    side = min(target.shape[-2:])
    if len(target) != len(prediction) or min(prediction.shape[-2:]) < side:
        raise InputError(
            f"{prediction_path}: `reconstruction` {prediction.shape} does not cover the target "
            f"{target.shape} of {target_path.name}, of which the centre {side} x {side} is compared"
        )
    if side < SSIM_WINDOW:
        raise InputError(f"{target_path}: SSIM needs images of {SSIM_WINDOW} x {SSIM_WINDOW} or more")
    if not target.any():
        raise InputError(f"{target_path}: the target image is zero everywhere, so nothing can be measured")
    return centre(target, side), centre(prediction, side)


def centre(volume: NDArray[Any], side: int) -> NDArray[Any]:
    """Return the centre `side` x `side` of the last two axes, with fastMRI's rounding."""
    first, second = ((n - side) // 2 for n in volume.shape[-2:])
    return volume[..., first : first + side, second : second + side]


def _ssim_of_slice(target: NDArray[Any], prediction: NDArray[Any], peak: float) -> float:
    from skimage.metrics import structural_similarity

    return float(structural_similarity(target, prediction, win_size=SSIM_WINDOW, data_range=peak))


def _require_same_volume(target: NDArray[Any], prediction: NDArray[Any]) -> None:
    if target.ndim != 3 or target.shape != prediction.shape:
        raise ValueError(f"expected two volumes [slice, y, x] of one shape, got {target.shape} and {prediction.shape}")
