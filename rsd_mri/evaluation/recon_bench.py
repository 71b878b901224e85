"""Every reconstruction beside sigpy's and BART's: quality, time and memory on the same prepared data.

Peers get the coil maps, the whitened k-space and the noise level that ours get, and their regularisation is the best of
three for each slice, judged against the truth: an advantage that ours does not have. sigpy knows one set of maps.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.coils.prepare import calibrate_volume, prepare_slice
from rsd_mri.coils.prepared import PreparedSlice
from rsd_mri.errors import InputError
from rsd_mri.evaluation.image_quality import nmse, psnr, ssim
from rsd_mri.files import written_whole
from rsd_mri.protocol import DataSettings, PrepSettings
from rsd_mri.reconstruction.calibration import full_image, undersampled
from rsd_mri.reconstruction.classical import default_regularisation
from rsd_mri.reconstruction.finish import as_operator, finish
from rsd_mri.reconstruction.memory import Batches
from rsd_mri.reconstruction.reconstruct import METHODS, ReconOptions, run_method
from rsd_mri.rsd.prior import Prior
from rsd_mri.scan.reading import read_scan
from rsd_mri.scan.scan import Scan
from rsd_mri.simulation.simulate import simulate_scan

ACCELERATIONS = (2.0, 4.0, 6.0, 8.0)
GRID = (0.25, 1.0, 4.0)
"""Peers' regularisation over our default."""
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Result:
    """One method at one acceleration; means over the slices of all scans."""

    acceleration: float
    """As asked for."""
    method: str
    psnr: float | None = None
    ssim: float | None = None
    nmse: float | None = None
    seconds: float | None = None
    """Per slice; BART's include its start and its files."""
    peak_mib: float | None = None
    """Memory taken on top of what the process held before; of a peer's own process, all of it."""
    note: str = ""


@dataclass(frozen=True)
class Peer:
    """A method of another library."""

    name: str
    absent: str
    """Why it cannot run here; empty if it can."""
    penalty: str
    """Ours whose default regularisation its own is a multiple of."""
    run: Callable[[PreparedSlice, float], tuple[NDArray[np.complex64], float | None]]
    """(slice, regularisation) to the image [(set,) readout, phase_encode] and the memory of its process [MiB]."""


def simulated_heads(count: int, size: tuple[int, int], seed: int) -> list[tuple[Scan, NDArray[np.float32]]]:
    """Noisy full scans of heads that wrap, and their noiseless images."""
    pairs = []
    for case in range(count):
        settings = replace(DataSettings(), slices=1, coils=8)
        name, contrast = f"recon bench {case}", ("T2", "T1", "FLAIR", "PD")[case % 4]
        make = {"size": size, "plane": "axial", "fov": 0.6, "contrast": contrast}
        noisy, _ = simulate_scan(settings, seed, name, **make)  # type: ignore[arg-type]
        clean, _ = simulate_scan(replace(settings, noise=0.0), seed, name, **make)  # type: ignore[arg-type]
        pairs.append((noisy, full_image(clean)))
    return pairs


def full_scans(folder: Path) -> list[tuple[Scan, NDArray[np.float32]]]:
    """The fully sampled scans of a folder, or one, with their images.

    Raises
    ------
    InputError
        If there is none, or one is undersampled.
    """
    files = sorted(folder.glob("*.h5")) if folder.is_dir() else [folder]
    if not files:
        raise InputError(f"--data {folder}: expected at least one fully sampled scan in HDF5, found none")
    scans = [read_scan(path) for path in files]
    return [(scan, full_image(scan)) for scan in scans]


def run_recon_bench(
    scans: Sequence[tuple[Scan, NDArray[np.float32]]],
    prior: Prior,
    samples: int = 4,
    seed: int = 0,
    tell: Callable[[float, str], None] = lambda share, what: None,
    accelerations: Sequence[float] = ACCELERATIONS,
) -> list[Result]:
    """Reconstruct every scan by every method at every acceleration.

    Parameters
    ----------
    scans
        Full scans with the image each is compared with, [slice, readout, phase_encode].
    prior
        Of the learned methods.
    samples
        Posterior samples; their mean is judged. One sample is a row of its own.
    seed
        Of masks and samples.
    tell
        Called with the share done and what is being done.
    accelerations
        The masks'.

    Returns
    -------
    list of Result
        In the order of the table.
    """
    ours = {name: (name, 1) for name in reversed(METHODS)} | {f"posterior, mean of {samples}": ("posterior", samples)}
    rows: dict[tuple[float, str], list[Result]] = {}
    peers = all_peers()
    done, total = 0, len(accelerations) * len(scans) * (len(ours) + len(peers))
    for acceleration in accelerations:
        for scan, target in scans:
            short = undersampled(scan, acceleration, seed)
            volume = calibrate_volume(short, PrepSettings())
            slices = [prepare_slice(short, i, PrepSettings(), volume) for i in range(short.n_slices)]
            for name, (method, count) in ours.items():
                tell(done / total, f"R={acceleration:g} {name}")
                options = ReconOptions(method, count, seed)  # type: ignore[arg-type]
                for i, (one, truth) in enumerate(zip(slices, target, strict=True)):
                    row = _ours(name, acceleration, one, i, short.source.name, options, prior, truth)
                    rows.setdefault((acceleration, name), []).append(row)
                done += 1
            for peer in peers:
                tell(done / total, f"R={acceleration:g} {peer.name}")
                for one, truth in zip(slices, target, strict=True):
                    rows.setdefault((acceleration, peer.name), []).append(_theirs(peer, acceleration, one, truth))
                done += 1
    return [_mean(group) for group in rows.values()]


def _ours(
    name: str, acceleration: float, one: PreparedSlice, index: int, scan: str, options: ReconOptions, prior: Prior,
    truth: NDArray[np.float32],
) -> Result:
    def call() -> Tensor:
        return run_method([one], scan, index, options, prior, Batches(1, options.samples, 0), lambda share: None)[0]

    images, seconds, peak = _measured(call)
    return _judged(name, acceleration, one, images, truth, seconds, peak)


def _theirs(peer: Peer, acceleration: float, one: PreparedSlice, truth: NDArray[np.float32]) -> Result:
    if peer.absent:
        return Result(acceleration, peer.name, note=peer.absent)
    operator, kspace = as_operator([one], CPU)
    base = float(default_regularisation(peer.penalty, operator, kspace, one.sigma))
    tried = []
    for factor in GRID:
        (image, own), seconds, peak = _measured(lambda factor=factor: peer.run(one, factor * base))  # type: ignore[misc]
        images = torch.from_numpy(np.ascontiguousarray(image))[None]
        if one.n_sets == 2 and images.ndim == 3:
            images = torch.stack([images, torch.zeros_like(images)], 1)
        tried.append(_judged(peer.name, acceleration, one, images, truth, seconds, peak if own is None else own))
    return max(tried, key=lambda row: row.psnr or 0.0)


def _judged(
    name: str, acceleration: float, one: PreparedSlice, images: Tensor, truth: NDArray[np.float32], seconds: float,
    peak: float | None,
) -> Result:
    pair = truth[None], finish(one, images, seconds).magnitude[None]
    return Result(acceleration, name, psnr(*pair), ssim(*pair), nmse(*pair), seconds, peak)


def _mean(rows: list[Result]) -> Result:
    first = rows[0]
    if first.psnr is None:
        return first
    means: dict[str, Any] = {}
    for name in ("psnr", "ssim", "nmse", "seconds", "peak_mib"):
        values = [getattr(row, name) for row in rows]
        means[name] = None if None in values else float(np.mean(values))
    return replace(first, **means)


def _measured(call: Callable[[], Any]) -> tuple[Any, float, float | None]:
    """What a call returns, its seconds, and the memory it took on top of what was held [MiB], where Linux says."""
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    known = reset.exists()
    if known:
        reset.write_text("5")
    before = _status(status, "VmRSS") if known else 0
    begun = time.perf_counter()
    value = call()
    seconds = time.perf_counter() - begun
    return value, seconds, max(_status(status, "VmHWM") - before, 0) / 1024 if known else None


def _status(path: Path, name: str) -> int:
    """A size [KiB] from a process's status; 0 where the process has ended or the system tells nothing."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)


def all_peers() -> list[Peer]:
    """The methods of other libraries, with the reason where one cannot run here."""
    bart = "" if shutil.which("bart") else "BART is not installed"
    return [
        Peer("sigpy CG-SENSE, one set", "", "cg-sense", _sigpy("SenseRecon")),
        Peer("sigpy L1-wavelet, one set", "", "l1-wavelet", _sigpy("L1WaveletRecon")),
        Peer("sigpy TV, one set", "", "tv", _sigpy("TotalVariationRecon")),
        Peer("BART CG-SENSE", bart, "cg-sense", _bart("-l2 -r {}")),
        Peer("BART L1-wavelet", bart, "l1-wavelet", _bart("-l1 -r {}")),
        Peer("BART TV", bart, "tv", _bart("-R T:3:0:{}")),
    ]


def _sigpy(app: str) -> Callable[[PreparedSlice, float], tuple[NDArray[np.complex64], float | None]]:
    def run(one: PreparedSlice, weight: float) -> tuple[NDArray[np.complex64], float | None]:
        import sigpy.mri

        maps = one.csm if one.n_sets == 1 else one.csm[0]
        made = getattr(sigpy.mri.app, app)(one.kspace, maps, lamda=weight, show_pbar=False)
        return made.run().astype(np.complex64), None

    return run


def _bart(flags: str) -> Callable[[PreparedSlice, float], tuple[NDArray[np.complex64], float | None]]:
    def run(one: PreparedSlice, weight: float) -> tuple[NDArray[np.complex64], float | None]:
        maps = one.csm if one.n_sets == 2 else one.csm[None]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            _write_cfl(path / "kspace", np.moveaxis(one.kspace, 0, -1)[:, :, None])
            _write_cfl(path / "maps", np.moveaxis(maps, (0, 1), (-1, -2))[:, :, None])
            options = [*flags.format(weight).split(), "-S", "-w", "1", "-i", "100"]
            command = ["bart", "pics", *options, str(path / "kspace"), str(path / "maps"), str(path / "image")]
            peak = 0
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                while process.poll() is None:
                    peak = max(peak, _status(Path(f"/proc/{process.pid}/status"), "VmHWM"))
                    time.sleep(0.005)
            if process.returncode:
                raise InputError(f"bench recon: '{' '.join(command[:-3])}' ended with {process.returncode}")
            flat = np.fromfile(path / "image.cfl", np.complex64)
        image = flat.reshape(*maps.shape[-2:], len(maps), order="F")
        return np.moveaxis(image, -1, 0) if one.n_sets == 2 else image[..., 0], peak / 1024 if peak else None

    return run


def _write_cfl(path: Path, array: NDArray[Any]) -> None:
    sizes = [*array.shape, *[1] * (16 - array.ndim)]
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, sizes)) + "\n", encoding="ascii")
    array.astype(np.complex64).ravel("F").tofile(path.with_suffix(".cfl"))


def table(rows: Sequence[Result]) -> list[str]:
    """The table in words."""
    width = max(len(row.method) for row in rows)
    lines = [f"{'R':>3} {'method':<{width}} {'PSNR dB':>8} {'SSIM':>7} {'NMSE':>8} {'s/slice':>8} {'MiB':>6}"]
    for row in rows:
        start = f"{row.acceleration:>3g} {row.method:<{width}} "
        if row.psnr is None:
            lines.append(start + row.note)
            continue
        memory = "-" if row.peak_mib is None else f"{row.peak_mib:.0f}"
        lines.append(start + f"{row.psnr:>8.2f} {row.ssim:>7.4f} {row.nmse:>8.5f} {row.seconds:>8.2f} {memory:>6}")
    return lines


def as_dict(rows: Sequence[Result]) -> dict[str, Any]:
    """Plain values."""
    return {"rows": [asdict(row) for row in rows], "version": __version__, "not_for_diagnostic_use": True}


def write_card(path: Path, rows: Sequence[Result], prior: Prior, scans: Sequence[str]) -> Path:
    """Write the table with what it was made from as Markdown."""
    text = [
        "# Reconstructions compared", "", NOT_FOR_DIAGNOSTIC_USE, "",
        f"Scans: {', '.join(scans)}. Prior: {prior.path.name} ({prior.sha256[:12]}). rsd-mri {__version__}.",
        "PSNR, SSIM and NMSE by fastMRI's definitions for each slice by itself, then averaged. Peers get the best of "
        f"{len(GRID)} regularisations for each slice; ours get the default. Times as this machine was at the time.",
        "", "```", *table(rows), "```", "",
    ]
    with written_whole(path) as partial:
        partial.write_text("\n".join(text), encoding="utf-8")
    return path
