"""Small trials for `vary.py`: scans are simulated, reconstructed, and the result is judged by what was simulated.

python docs/trials.py beating
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from every_scan import every_scan, real_images

from rsd_mri.api.scans import simulate
from rsd_mri.bench.reconstructions import simulated_heads
from rsd_mri.coils.noise import data_noise
from rsd_mri.commands.root import app
from rsd_mri.machine.randomness import generator
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.operators.fourier import fft1c, ifft1c
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.full_scans import body_of, full_image, undersampled
from rsd_mri.reconstruction.intervals import with_own_interval
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.motion import find_motion
from rsd_mri.reconstruction.movies import frames_in_turn, reconstruct_frame
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.scan.scan import Scan
from rsd_mri.simulation import simulate_scan
from rsd_mri.simulation.beating import simulate_beating

HEADS = range(6)
"""Seeds of the heads of every trial."""


def posterior(more: Sequence[str]) -> None:
    """The recon bench with the posterior alone: one head of 160 x 168, one sample."""
    app(
        ["bench", "run", "recon", "--set", "rival_minutes=0", "--set", "methods=[posterior]", *more],
        standalone_mode=False,
    )


def partial_fourier(_: Sequence[str]) -> None:
    """Total variation of heads of which only 6/8 or 5/8 of k-space were acquired."""
    for share in (6, 5):
        lines = np.arange(128) < share * 16
        _say(f"{share}/8", [_judged(*_head(seed, 4, lines), "tv") for seed in HEADS])


def no_centre(_: Sequence[str]) -> None:
    """CG-SENSE of heads of which every second line was acquired, and no centre."""
    lines = np.arange(128) % 2 == 0
    _say("every second line", [_judged(*_head(seed, 4, lines), "cg-sense") for seed in HEADS])


def beating(_: Sequence[str]) -> None:
    """Temporal total variation of the beating phantom."""
    method = CLASSICAL["temporal-tv"]
    for acceleration in (4, 8):
        scans, truth = simulate_beating(acceleration=acceleration)
        recs = [reconstruct_frame(frame) for frame in frames_in_turn(scans, None, method, torch.device("cpu"))]
        _say(f"R = {acceleration}", [psnr(np.abs(truth), np.concatenate([rec.magnitude for rec in recs]))])


def beating_posterior(_: Sequence[str]) -> None:
    """The posterior of the beating phantom beside temporal total variation, and what its interval covers."""
    scans, truth = simulate_beating(12, (64, 64), 8, 0.01, 6)
    for method in (CLASSICAL["temporal-tv"], method_of("posterior", samples=2)):
        recs = [reconstruct_frame(frame) for frame in frames_in_turn(scans, None, method, torch.device("cpu"))]
        _say(method.name, [psnr(np.abs(truth), np.concatenate([rec.magnitude for rec in recs]))])
    pairs = [(rec.half_width, rec, one) for rec, one in zip(map(with_own_interval, recs), np.abs(truth), strict=True)]
    inside = [(abs(rec.magnitude - one) <= half)[body_of(one[None])] for half, rec, one in pairs if half is not None]
    _say("covered, per cent", [100 * float(np.mean(np.concatenate(inside)))] if inside else [])


def thick_slab(_: Sequence[str]) -> None:
    """A slab whose voxels are 1.5 times as long as wide, slice by slice and as a volume, one sample."""
    scan, truth = simulate(5, slab=1.5, slices=24, matrix=64, coils=6, acs_lines=12, plane="axial", seed=2)
    prepared, found = PreparedScan.of(scan), []
    for volume in (False, True):
        rec = reconstruct_scan(prepared, method_of("posterior", samples=1, volume=volume), held_out=False)
        found.append(psnr(np.abs(truth), rec.magnitude))
    _say("slice by slice, volume", found)


def held_out(_: Sequence[str]) -> None:
    """What a quick sample predicts of lines left out at R = 8, as `recon` says it."""
    for seed in HEADS:
        full, _ = simulate_scan(DataSettings(slices=1, coils=8, noise=0.01), seed, "trial", size=(128, 128))
        checks = reconstruct_scan(undersampled(full, 8.0, seed), method_of("posterior", samples=1)).checks
        errors = {name: value for name, value in checks.items() if name.startswith("held_out_error")}
        sys.stdout.write(", ".join(f"{name} {100 * value:.2f} %" for name, value in errors.items()) + "\n")


def motion(_: Sequence[str]) -> None:
    """What is found of heads that lay still, and of heads that moved by up to 2 mm and degrees; CG-SENSE of these."""
    for reach in (0.0, 2.0):
        for seed in range(10, 30) if reach == 0 else range(10, 16):
            scan, truth = simulate(4.0, matrix=96, coils=8, motion=reach, seed=seed)
            found = find_motion(PreparedScan.of(scan), 0)
            said = "motion" if found.found else "none"
            line = f"up to {reach:g} mm: misfit {found.misfit:.3f}, reach {found.reach:.2f} mm, {said}"
            if reach:
                values = [_judged(one, np.abs(truth), "cg-sense") for one in (replace(scan, segments=None), scan)]
                line += f", {values[0]:.1f} dB, moved back {values[1]:.1f}"
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def every(more: Sequence[str], samples: int = 1) -> None:
    """Methods or samplers, one sample each, on every scan that there is."""
    names = more or ("one-step", "few-step", "diffpir")
    methods = [
        method_of("posterior", sampler=SAMPLERS[name], samples=samples) if name in SAMPLERS else method_of(name)
        for name in names
    ]
    found = []
    for name, scan, truth in every_scan():
        found.append([psnr(truth, reconstruct_scan(scan, method, held_out=False).magnitude) for method in methods])
        _say(f"{name}: {', '.join(names)}", found[-1])
    _say(f"mean of {len(found)} scans: {', '.join(names)}", list(np.mean(found, 0)))


def means(more: Sequence[str]) -> None:
    """Means of four of samplers, on every scan that there is."""
    every(more or ("shared", "diffpir"), samples=4)


def twofold(_: Sequence[str]) -> None:
    """One sample at R = 2 of heads by coils and noise, and of the real images that there are."""
    method = method_of("posterior", samples=1)
    for coils, noise in ((1, 0.015), (1, 0.06), (2, 0.015), (4, 0.015), (8, 0.015), (8, 0.06)):
        found = []
        for number, contrast in ((1, "T1"), (2, "FLAIR")):
            make = {"size": (128, 144), "plane": "axial", "contrast": contrast, "noise_correlation": 0.2}
            pair = [
                simulate_scan(DataSettings(slices=1, coils=coils, noise=level), 0, f"w {number}", **make)[0]
                for level in (noise, 0.0)
            ]
            rec = reconstruct_scan(undersampled(pair[0], 2.0, 0), method, held_out=False)
            found.append(psnr(full_image(pair[1]), rec.magnitude))
        _say(f"{coils} coils, noise {noise:g}", found)
    for name, full, truth in real_images():
        _say(name, [psnr(truth, reconstruct_scan(undersampled(full, 2.0, 0), method, held_out=False).magnitude)])


def filtered(_: Sequence[str]) -> None:
    """Two heads whose lines Hamming's filter took down, at R = 2 and 4, against their images with the filter."""
    window = 0.54 + 0.46 * np.cos(np.pi * (np.arange(96) - 48) / 48)
    for acceleration in (2.0, 4.0):
        for name in ("tv", "one-step", "posterior"):
            found, method = [], method_of(name, samples=1)
            for contrast, noise in (("T2", 0.03), ("T1", 0.015)):
                make = {"size": (112, 96), "plane": "axial", "contrast": contrast, "noise_correlation": 0.2}
                noisy, clean = (
                    simulate_scan(DataSettings(slices=1, coils=8, noise=level), 0, f"f {contrast}", **make)[0]
                    for level in (noise, 0.0)
                )
                noisy, clean = (replace(one, kspace=one.kspace * window.astype("f4")) for one in (noisy, clean))
                scan = replace(undersampled(noisy, acceleration, 0), noise=None)
                found.append(psnr(full_image(clean), reconstruct_scan(scan, method, held_out=False).magnitude))
            _say(f"R = {acceleration:g}, {name}", found)


def wrapped(_: Sequence[str]) -> None:
    """Heads that wrap at R = 4: total variation, and one posterior sample."""
    methods = [CLASSICAL["tv"], method_of("posterior", samples=1)]
    for seed, fov, case in ((74, 0.55, 0), (74, 0.55, 3), (71, 0.6, 0), (70, 0.6, 0), (70, 0.6, 1)):
        full, truth = simulated_heads(case + 1, (160, 112), seed, "wrap trial", fov)[-1]
        prepared = PreparedScan.of(undersampled(full, 4.0, 0))
        found = [psnr(truth, reconstruct_scan(prepared, method, held_out=False).magnitude) for method in methods]
        _say(f"seed {seed}, field of view {fov:g}: tv, posterior", found)


def narrow(_: Sequence[str]) -> None:
    """Heads that wrap, or hardly do, learned from a narrow centre: sets of maps, total variation, and one sample."""
    methods = [CLASSICAL["tv"], method_of("posterior", samples=1)]
    lines, sparse, points = ("uniform", 4.0, 12), ("uniform", 6.0, 8), ("poisson", 5.0, 16)
    heads = ((0.55, lines), (0.6, points), (0.6, lines), (0.65, sparse), (0.55, points), (0.7, lines), (0.8, lines))
    for number, (fov, (kind, acceleration, centre)) in enumerate(heads):
        full, truth = simulated_heads(number % 4 + 1, (128, 96), 80 + number, "narrow trial", fov)[-1]
        law = MaskSettings(kind=kind, acceleration=acceleration, acs_lines=centre)
        mask = draw_mask(law, full.size, generator(number, "narrow trial")).mask.numpy()
        scan = replace(full, kspace=full.kspace * mask, mask=mask, mask_source="file")
        prepared = PreparedScan.of(scan)
        found = [psnr(truth, reconstruct_scan(prepared, method, held_out=False).magnitude) for method in methods]
        what = f"field of view {fov:g}, {kind}, R = {acceleration:g}, centre {centre}"
        _say(f"{what}: {prepared.volume.n_sets} set(s); tv, posterior", found)


def narrow_images(_: Sequence[str]) -> None:
    """Real images as simulated coils see them, learned from a narrow centre: total variation, one-step, one sample."""
    methods = [CLASSICAL["tv"], method_of("one-step"), method_of("posterior", samples=1)]
    laws = (
        (("equispaced", 4.0, 12), ("poisson", 6.0, 14)),
        (("uniform", 4.0, 12), ("equispaced", 6.0, 10)),
    )
    for number, (name, full, truth) in enumerate(real_images()):
        for kind, acceleration, centre in laws[number % 2]:
            law = MaskSettings(kind=kind, acceleration=acceleration, acs_lines=centre)
            mask = draw_mask(law, full.size, generator(number, "real narrow")).mask.numpy()
            prepared = PreparedScan.of(replace(full, kspace=full.kspace * mask, mask=mask, mask_source="file"))
            found = [psnr(truth, reconstruct_scan(prepared, method, held_out=False).magnitude) for method in methods]
            _say(f"{name}, {kind}, R = {acceleration:g}, centre {centre}: tv, one-step, posterior", found)


def levels(_: Sequence[str]) -> None:
    """Noise level that is found of heads seen by one coil under points, over the one that was put in."""
    places = np.meshgrid(*(np.abs(np.arange(n) - n // 2) for n in (110, 128)), indexing="ij")
    centre = (places[0] < 12) & (places[1] < 12)
    for noise in (0.005, 0.02):
        found = []
        for seed in HEADS:
            full = simulate_scan(DataSettings(slices=1, coils=1, noise=noise), seed, "levels", size=(256, 128))[0]
            cut = fft1c(ifft1c(torch.from_numpy(full.kspace), dim=-2)[:, :, 73:183].contiguous(), dim=-2).numpy()
            mask = centre | (np.random.default_rng(seed).random(centre.shape) < 0.25)
            estimate = data_noise(replace(full, kspace=cut * mask, mask=mask, noise=None, image_size=None))
            if estimate.covariance is not None:
                found.append(estimate.mean * float(np.sqrt(estimate.covariance[0, 0].real)) / noise)
        sys.stdout.write(f"noise {noise:g}, found over true: {', '.join(f'{ratio:.2f}' for ratio in found)}\n")
        sys.stdout.flush()


TRIALS: dict[str, Callable[[Sequence[str]], None]] = {
    "posterior": posterior,
    "partial-fourier": partial_fourier,
    "no-centre": no_centre,
    "beating": beating,
    "beating-posterior": beating_posterior,
    "thick-slab": thick_slab,
    "held-out": held_out,
    "motion": motion,
    "twofold": twofold,
    "every-scan": every,
    "means": means,
    "filtered": filtered,
    "wrapped": wrapped,
    "narrow": narrow,
    "narrow-images": narrow_images,
    "levels": levels,
}


def _head(seed: int, coils: int, lines: np.ndarray) -> tuple[Scan, np.ndarray]:
    scan, truth = simulate_scan(DataSettings(slices=1, coils=coils, noise=0.01), seed, "trial", size=(128, len(lines)))
    return replace(scan, kspace=scan.kspace * lines, mask=lines, mask_source="file"), np.abs(truth)


def _judged(scan: Scan, truth: np.ndarray, method: str) -> float:
    return psnr(truth, reconstruct_scan(scan, CLASSICAL[method]).magnitude)


def _say(what: str, values: Sequence[float]) -> None:
    sys.stdout.write(f"{what}: {', '.join(f'{value:.2f}' for value in values)} dB\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TRIALS:
        sys.exit(f"usage: python docs/trials.py {' | '.join(TRIALS)}")
    TRIALS[sys.argv[1]](sys.argv[2:])
