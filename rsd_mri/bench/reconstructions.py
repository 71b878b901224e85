"""Every reconstruction beside other libraries': quality, time and memory on the same prepared data.

Peers get the coil maps, the whitened k-space and the noise level that ours get, and their regularisation is the best of
three for each slice, judged against the truth: an advantage that ours does not have.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.about.plain import Json, Row
from rsd_mri.bench.measuring import measured
from rsd_mri.bench.peers import Peer, all_peers
from rsd_mri.bench.rival import rival_of
from rsd_mri.errors import InputError, alike
from rsd_mri.files import written_whole
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.randomness import generator
from rsd_mri.metrics.image_quality import nmse, psnr, ssim
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.priors.prior import Prior
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.protocol.settings import Pattern
from rsd_mri.reconstruction.classical.made import Made
from rsd_mri.reconstruction.classical.methods import default_regularisation
from rsd_mri.reconstruction.finish import as_operator, finish
from rsd_mri.reconstruction.full_scans import full_image, undersampled
from rsd_mri.reconstruction.held_out import settle
from rsd_mri.reconstruction.memory import Batches
from rsd_mri.reconstruction.methods import OF_ONE_FRAME, Method, method_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.reconstruction.reconstruct import run_method
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.scan.reading import read_scan
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.trajectory import TRAJECTORIES
from rsd_mri.simulation.contrast import Contrast
from rsd_mri.simulation.simulate import simulate_scan

ACCELERATIONS = (2.0, 4.0, 6.0, 8.0)
GRID = (0.25, 1.0, 4.0)
"""Peers' regularisation over our default."""
RIVAL_HEADS = 24
"""Undersampled scans that the rival learns from."""
COILS = 8
"""Of simulated heads."""
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


def simulated_heads(
    count: int, size: tuple[int, int], seed: int, name: str = "recon bench", fov: float = 0.6, coils: int = COILS
) -> list[tuple[Scan, NDArray[np.float32]]]:
    """Noisy full scans of heads, which wrap below a field of view of about 0.65, and their noiseless images."""
    pairs = []
    for case in range(count):
        noisy = _head(case, size, seed, name, fov=fov, coils=coils)
        clean = _head(case, size, seed, name, fov=fov, coils=coils, noise=0.0)
        pairs.append((noisy, full_image(clean)))
    return pairs


def _head(
    case: int,
    size: tuple[int, int],
    seed: int,
    name: str = "recon bench",
    *,
    fov: float = 1.0,
    coils: int = COILS,
    noise: float | None = None,
    trajectory: NDArray[np.float32] | None = None,
) -> Scan:
    settings = replace(DataSettings(), slices=1, coils=coils)
    settings = settings if noise is None else replace(settings, noise=noise)
    contrasts: tuple[Contrast, ...] = ("T2", "T1", "FLAIR", "PD")
    return simulate_scan(
        settings, seed, f"{name} {case}",
        size=size, plane="axial", fov=fov, contrast=contrasts[case % 4], trajectory=trajectory,
    )[0]  # fmt: skip


Undersample: TypeAlias = Callable[[int, Scan, float], Scan]
"""(number of the scan, the full scan, acceleration) to what is left of it."""


def undersample_lines(seed: int) -> Undersample:
    """Full scans of which lines are left out."""
    return lambda number, scan, acceleration: undersampled(scan, acceleration, seed)  # noqa: ARG005


def undersample_by(kind: Pattern, seed: int) -> Undersample:
    """Full scans of which a law of masks keeps some lines or points, with the centre that suits it."""

    def by_kind(number: int, scan: Scan, acceleration: float) -> Scan:
        rng = generator(seed, number, "recon bench mask")
        mask = draw_mask(MaskSettings(kind=kind, acceleration=acceleration), scan.size, rng).mask.numpy()
        return replace(scan, kspace=scan.kspace * mask, mask=mask, mask_source="file")

    return by_kind


def undersample_along(kind: str, size: tuple[int, int], seed: int, coils: int = COILS) -> Undersample:
    """The same heads measured along spokes or spirals, as many fewer as the acceleration says."""

    def measured_again(number: int, scan: Scan, acceleration: float) -> Scan:  # noqa: ARG001
        return _head(number, size, seed, coils=coils, trajectory=TRAJECTORIES[kind](size, acceleration))

    return measured_again


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
    progress: Progress = SILENT,
    accelerations: Sequence[float] = ACCELERATIONS,
    rivals: Sequence[Peer] = (),
    only: Sequence[str] = (),
    undersample: Undersample | None = None,
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
    progress
        Told the share done and what is being done.
    accelerations
        The masks'.
    rivals
        Learned methods of other libraries.
    only
        Names of rows, ours and other libraries', where not all are wanted.
    undersample
        How scans are undersampled; by lines where not given. Other libraries take Cartesian scans only.

    Returns
    -------
    list of Result
        In the order of the table.

    Raises
    ------
    InputError
        If one of the names is that of no row.
    """
    ours = {name: method_of(name, prior, samples=1) for name in reversed(OF_ONE_FRAME)}
    ours[f"posterior, mean of {samples}"] = method_of("posterior", prior, samples=samples)
    ours["posterior, few-step"] = method_of("posterior", prior, SAMPLERS["few-step"], 1)
    rows: dict[tuple[float, str], list[Result]] = {}
    peers = [*all_peers(), *rivals]
    names = [*ours, *(peer.name for peer in peers)]
    unknown = next((name for name in only if name not in names), None)
    if unknown is not None:
        raise InputError(f"methods {unknown}: expected some of {', '.join(names)}{alike(unknown, names)}")
    ours = {name: method for name, method in ours.items() if not only or name in only}
    undersample = undersample or undersample_lines(seed)
    peers = [peer for peer in peers if not only or peer.name in only]
    done, total = 0, len(accelerations) * len(scans) * (len(ours) + len(peers))
    for acceleration in accelerations:
        for number, (scan, target) in enumerate(scans):
            acquired = undersample(number, scan, acceleration)
            slices = PreparedScan.of(acquired)
            for name, method in ours.items():
                progress(done / total, f"R={acceleration:g} {name}")
                for i, (one, truth) in enumerate(zip(slices, target, strict=True)):
                    how = method if acquired.trajectory is None else method.along_trajectory()
                    row = _ours(name, acceleration, one, i, acquired.key, how, seed, truth)
                    rows.setdefault((acceleration, name), []).append(row)
                done += 1
            for peer in peers:
                progress(done / total, f"R={acceleration:g} {peer.name}")
                for one, truth in zip(slices, target, strict=True):
                    rows.setdefault((acceleration, peer.name), []).append(_theirs(peer, acceleration, one, truth))
                done += 1
    return [_mean(group) for group in rows.values()]


def rival_for(
    folder: Path,
    size: tuple[int, int],
    minutes: float,
    seed: int,
    progress: Progress,
    accelerations: Sequence[float] = ACCELERATIONS,
    heads: int = RIVAL_HEADS,
) -> tuple[Peer, str]:
    """The learned rival of a run folder, trained on undersampled heads that the bench does not judge by."""

    def scans() -> list[PreparedSlice]:
        slices: list[PreparedSlice] = []
        made = simulated_heads(heads, size, seed, "rival")
        for (number, (scan, _)), _ in progress.each(list(enumerate(made)), "scans for the rival"):
            slices += PreparedScan.of(undersampled(scan, accelerations[number % len(accelerations)], seed))
        return slices

    return rival_of(folder, scans, minutes, seed, progress.part(0, 1, "training the rival"))


def _ours(
    name: str,
    acceleration: float,
    one: PreparedSlice,
    index: int,
    scan: str,
    method: Method,
    seed: int,
    truth: NDArray[np.float32],
) -> Result:
    def call() -> Tensor:
        several = len(method.candidates()) > 1
        chosen = settle(method, one, scan, seed, CPU).method if several else method
        return run_method(chosen, [one], scan, index, seed, Batches(1, method.samples, 0))[0].images

    images, seconds, peak = measured(call)
    return _judged(name, acceleration, one, images, truth, seconds, peak)


def _theirs(peer: Peer, acceleration: float, one: PreparedSlice, truth: NDArray[np.float32]) -> Result:
    if peer.absent:
        return Result(acceleration, peer.name, note=peer.absent)
    operator, kspace = as_operator([one], CPU)
    base = float(default_regularisation(peer.penalty, operator, kspace, one.sigma)) if peer.penalty else 0.0
    tried = []
    for factor in GRID if peer.penalty else (1.0,):
        try:
            (image, own), seconds, peak = measured(lambda factor=factor: peer.run(one, factor * base))  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - of another library: the other rows are still wanted
            return Result(acceleration, peer.name, note=f"failed: {str(error).strip() or type(error).__name__}")
        images = torch.from_numpy(np.ascontiguousarray(image))[None]
        if one.n_sets == 2 and images.ndim == 3:
            images = torch.stack([images, torch.zeros_like(images)], 1)
        tried.append(_judged(peer.name, acceleration, one, images, truth, seconds, peak if own is None else own))
    return max(tried, key=lambda row: row.psnr or 0.0)


def _judged(
    name: str,
    acceleration: float,
    one: PreparedSlice,
    images: Tensor,
    truth: NDArray[np.float32],
    seconds: float,
    peak: float | None,
) -> Result:
    pair = truth[None], finish(one, Made(images), seconds, parted=False).magnitude[None]
    return Result(acceleration, name, psnr(*pair), ssim(*pair), nmse(*pair), seconds, peak)


def _mean(rows: list[Result]) -> Result:
    first = next((row for row in rows if row.psnr is None), rows[0])
    if first.psnr is None:
        return first
    means: dict[str, Any] = {}
    for name in ("psnr", "ssim", "nmse", "seconds", "peak_mib"):
        values = [getattr(row, name) for row in rows]
        means[name] = None if None in values else float(np.mean(values))
    return replace(first, **means)


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


@dataclass(frozen=True)
class ReconCard:
    """Every method at every acceleration, with what it was made from."""

    results: tuple[Result, ...]
    path: Path
    """The card as Markdown."""
    prior: str
    """Its name and hash."""
    scans: tuple[str, ...]
    rival: str = ""
    """How the rival was trained."""

    def rows(self) -> Sequence[Row]:
        """A method at an acceleration a row."""
        return [asdict(one) for one in self.results]

    def lines(self) -> list[str]:
        """For a person."""
        return [*table(self.results), f"card and figures in {self.path.parent}"]

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return {
            "rows": self.rows(),
            "card": str(self.path),
            "scans": list(self.scans),
            "prior": self.prior,
            "version": __version__,
            "not_for_diagnostic_use": True,
        }

    def write_text(self) -> None:
        """Write the table as Markdown."""
        text = [
            "# Reconstructions compared",
            "",
            NOT_FOR_DIAGNOSTIC_USE,
            "",
            f"Scans: {', '.join(self.scans)}. Prior: {self.prior}. rsd-mri {__version__}.",
            "PSNR, SSIM and NMSE by fastMRI's definitions for each slice by itself, then averaged. Peers get the best "
            f"of {len(GRID)} regularisations for each slice; ours get the default. Times as this machine was at the "
            "time.",
            *([self.rival] if self.rival else []),
            "",
            "```",
            *table(self.results),
            "```",
            "",
        ]
        with written_whole(self.path) as partial:
            partial.write_text("\n".join(text), encoding="utf-8")
