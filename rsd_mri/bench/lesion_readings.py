"""Scans with lesions at half of their sites, and with those of the other half, reconstructed by every method."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.bench.lesion_sites import Site, draw_sites, patches_at, signal_change, with_lesions
from rsd_mri.bench.peers import Peer, all_peers
from rsd_mri.bench.reconstructions import CPU, GRID, full_scans
from rsd_mri.machine.progress import Progress
from rsd_mri.machine.randomness import generator
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.priors.prior import Prior
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.reconstruction.classical.made import Made
from rsd_mri.reconstruction.classical.methods import default_regularisation
from rsd_mri.reconstruction.finish import as_operator, finish
from rsd_mri.reconstruction.full_scans import CENTRE_LINES, full_image
from rsd_mri.reconstruction.intervals import with_own_interval
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.scan.scan import Scan
from rsd_mri.simulation.simulate import simulate_scan

FULL = "full scan"
OURS = ("zero-filled", "l1-wavelet", "tv", "one-step", "posterior")
PEERS = ("BART L1-wavelet", "BART TV")
NOISE = 0.015
Image = NDArray[np.float32]
Rebuild = Callable[[PreparedScan], tuple[Image, Image | None]]
"""From a scan to its magnitude and, where there is one, the half width of its interval."""


@dataclass(frozen=True)
class Case:
    """A full scan of one slice with sites for lesions."""

    name: str
    scan: Scan
    clean: Scan
    """Without noise where that is known, else the scan."""
    truth: Image
    """Magnitude without lesions, [readout, phase_encode]."""
    sites: tuple[Site, ...]


@dataclass(frozen=True)
class Reading:
    """What one method makes of the sites of one case at one acceleration."""

    case: str
    method: str
    acceleration: float
    sites: tuple[Site, ...]
    truth: NDArray[np.float64]
    """[2, site, PATCH, PATCH]: without and with the lesion."""
    image: NDArray[np.float64]
    """The same of the reconstructions."""
    half_width: NDArray[np.float64] | None
    """[site, PATCH, PATCH], where the lesion is."""
    psnr: float
    """Of the first of the two scans [dB]."""


@dataclass(frozen=True)
class Example:
    """Whole images of a case, to look at: a scan with its lesions, and what was made of it."""

    case: str
    method: str
    """Of `image`; one that says its uncertainty."""
    acceleration: float
    second: bool
    truth: Image
    tv: Image
    image: Image
    half_width: Image


def simulated_case(number: int, size: tuple[int, int], sizes: Sequence[float], seed: int) -> Case:
    """A simulated head: the contrasts in turn, axial."""
    settings = DataSettings(slices=1, coils=8, noise=NOISE)
    key, contrast = f"lesions {number}", ("T2", "T1", "FLAIR", "PD")[number % 4]
    make = {"size": size, "plane": "axial", "contrast": contrast, "noise_correlation": 0.2}
    scan, _ = simulate_scan(settings, seed, key, **make)  # type: ignore[arg-type]
    clean, _ = simulate_scan(replace(settings, noise=0.0), seed, key, **make)  # type: ignore[arg-type]
    truth = full_image(clean)[0]
    return Case(f"{contrast} {number}", scan, clean, truth, draw_sites(truth, sizes, seed, key))


def measured_cases(folder: Path, sizes: Sequence[float], seed: int) -> list[Case]:
    """The middle slices of the fully sampled scans of a folder: their truth is the full scan, noise and all."""
    cases = []
    for scan, truth in full_scans(folder):
        at = scan.n_slices // 2
        one = replace(scan, kspace=scan.kspace[at : at + 1])
        name = scan.source.stem
        cases.append(Case(name, one, one, truth[at], draw_sites(truth[at], sizes, seed, name)))
    return cases


def read_case(
    case: Case, accelerations: Sequence[float], prior: Prior, levels: int | None, seed: int, progress: Progress
) -> tuple[list[Reading], list[Example]]:
    """Reconstruct the two scans of a case by every method at every acceleration.

    Parameters
    ----------
    case
        With its sites.
    accelerations
        Of the masks, which are drawn by seed and case.
    prior
        Of the learned methods.
    levels
        Of the sampler; its own number where not given.
    seed
        Of masks and samples.
    progress
        Told the share done.
    """
    shape = case.truth.shape
    changes = [signal_change(case.sites, shape, second) for second in (False, True)]
    truths = [(case.truth * (1 + change)).astype(np.float32) for change in changes]
    scans = [with_lesions(case.scan, case.clean, change) for change in changes]
    full = [(full_image(scan)[0], None) for scan in scans]
    readings = [_reading(case, FULL, 1.0, truths, full)]
    examples = []
    for acceleration, part in progress.each(accelerations, "R={:g}".format):
        mask = mask_for(case.scan.size, acceleration, seed, case.name)
        prepared = [
            PreparedScan.of(replace(scan, kspace=scan.kspace * mask, mask=mask, mask_source="file")) for scan in scans
        ]
        rebuild = methods_for(prior, levels, seed, prepared[0], truths[0])
        made = {}
        for (name, run), step in part.each(list(rebuild.items()), lambda item: item[0]):
            made[name] = [run(one) for one in prepared]
            readings.append(_reading(case, name, acceleration, truths, made[name]))
            step(1.0)
        for name, second in product(made, (False, True)):
            image, width = made[name][second]
            if width is not None:
                images = truths[second], made["tv"][second][0], image, width
                examples.append(Example(case.name, name, acceleration, second, *images))
    return readings, examples


def mask_for(size: tuple[int, int], acceleration: float, seed: int, name: str) -> NDArray[np.bool_]:
    """Lines at random round a centre that takes at most half of them."""
    kept = int(size[1] / acceleration)
    mask = MaskSettings(acceleration=acceleration, acs_lines=min(CENTRE_LINES, kept // 2))
    found: NDArray[np.bool_] = draw_mask(mask, size, generator(seed, name, "lesion mask")).mask.numpy()
    return found


def methods_for(prior: Prior, levels: int | None, seed: int, first: PreparedScan, truth: Image) -> dict[str, Rebuild]:
    """Every method by its name; other libraries' have the best of three weights for the first scan, by its truth."""

    def ours(name: str) -> Rebuild:
        sampler = SAMPLERS["diffpir"].with_levels(levels)
        method = method_of(name, prior, sampler)

        def run(scan: PreparedScan) -> tuple[Image, Image | None]:
            rec = with_own_interval(reconstruct_scan(scan, method, seed=seed))
            width = None if rec.posterior is None else rec.posterior.half_width
            return rec.magnitude[0], None if width is None else width[0]

        return run

    def theirs(peer: Peer) -> Rebuild:
        operator, kspace = as_operator([first[0]], CPU)
        base = float(default_regularisation(peer.penalty, operator, kspace, first[0].sigma))
        tried = [(psnr(truth[None], _by_peer(peer, first, one * base)[None]), one * base) for one in GRID]
        best = max(tried)[1]
        return lambda scan: (_by_peer(peer, scan, best), None)

    return {name: ours(name) for name in OURS} | {
        peer.name: theirs(peer) for peer in all_peers() if peer.name in PEERS and not peer.absent
    }


def _by_peer(peer: Peer, scan: PreparedScan, weight: float) -> Image:
    one = scan[0]
    images = torch.from_numpy(np.ascontiguousarray(peer.run(one, weight)[0]))[None]
    return finish(one, Made(images), 0.0, parted=False).magnitude


def _reading(
    case: Case, method: str, acceleration: float, truths: Sequence[Image], made: Sequence[tuple[Image, Image | None]]
) -> Reading:
    """Sort what two scans show into without and with."""
    sites = case.sites
    second = np.array([site.second for site in sites], bool)

    def pairs(images: Sequence[Image]) -> NDArray[np.float64]:
        cut = np.stack([patches_at(image, sites) for image in images])
        there = np.where(second[:, None, None], cut[1], cut[0])
        return np.stack([np.where(second[:, None, None], cut[0], cut[1]), there])

    widths = [width for _, width in made]
    return Reading(
        case.name,
        method,
        acceleration,
        sites,
        pairs(truths),
        pairs([image for image, _ in made]),
        None if widths[0] is None or widths[1] is None else pairs([widths[0], widths[1]])[1],
        psnr(truths[0][None], made[0][0][None]),
    )
