"""What the report says in words: how the scan was acquired, how the image was made, and what to beware of."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_mri.metrics import image_quality
from rsd_mri.results.planes import is_known
from rsd_mri.results.timing import step_of, words_of
from rsd_mri.results.trust import WITHOUT_LEARNING
from rsd_mri.results.volume import ReconstructedVolume, frames_of, mean_residual

SOURCES = {
    "file": "stored in the file",
    "zeros": "found from the zeros of k-space",
    "full": "nothing is missing",
}
CONSISTENT = (0.7, 1.5)
"""Residuals within this range of the noise's expectation need no warning."""
FEW_SAMPLES = 8
HOW_MADE = "Coil maps:"
"""What a note begins with that says how maps were found: it stands in every image, and comes last."""
WORDS = {"n_sets": "sets of coil maps", "calib_width": "width of the calibration"}
"""Names of parameters that no one reads without the code."""


def warnings(one: ReconstructedVolume | Sequence[ReconstructedVolume]) -> list[str]:
    """Sentences a reader has to see before the image, or the frames of a movie."""
    frames = frames_of(one)
    rec = frames[0]
    notes = dict.fromkeys(note for frame in frames for note in frame.notes)
    lines = [note[:1].upper() + note[1:].rstrip(".") + "." for note in notes]
    low, high = CONSISTENT
    residual = np.stack([frame.residual for frame in frames])
    above, below = _where(residual > high), _where((residual > 0) & (residual < low))
    if above:
        lines.append(
            f"{above}: the image explains the measured data worse than noise allows (data residual "
            f"up to {residual.max():.2f}, 1 expected): expect artefacts."
        )
    if below and rec.method != "zero-filled":
        lines.append(
            f"{below}: the image follows the data more closely than their noise warrants (data "
            f"residual down to {residual[residual > 0].min():.2f}, 1 expected): expect noise."
        )
    if rec.samples is not None and len(rec.samples) == 1 and rec.std is not None and rec.std.any():
        lines.append("The standard deviation is what the network says whose image the sample began from.")
    elif rec.samples is not None and len(rec.samples) < FEW_SAMPLES:
        lines.append(
            f"The standard deviation comes from {len(rec.samples)} samples, averaged over neighbours: it shows where "
            "the image is uncertain better than by how much."
        )
    if not is_known(rec.geometry, rec.n_slices):
        lines.append("Orientation of the image in the patient is unknown: left and right are not marked.")
    if rec.prior is not None:
        lines.append(
            "A learned prior fills in what was not measured. Detail that the data do not support can be "
            "plausible and wrong."
        )
    return sorted(lines, key=lambda line: line.startswith(HOW_MADE))


def acquisition(one: ReconstructedVolume | Sequence[ReconstructedVolume], every: int = 1) -> list[tuple[str, str]]:
    """Rows (name, value) about the scan.

    Parameters
    ----------
    one
        The reconstruction, or its frames.
    every
        One in so many frames is shown.
    """
    frames = frames_of(one)
    rec = frames[0]
    slices, readout, phase_encode = rec.magnitude.shape
    total = rec.mask.size
    unit = "lines" if rec.mask.ndim == 1 else "points"
    rows = [
        ("Scan", rec.source.name),
        ("Image", f"{readout} x {phase_encode} (readout x phase encode), {_count(slices, 'slice')}"),
        ("Coils", f"{rec.csm.shape[1]} (after compression)"),
        ("Acceleration", f"{rec.acceleration:.2f} (realised)"),
        ("Acquired", f"{int(rec.mask.sum())} of {total} {unit}"),
        ("Sampling pattern", SOURCES.get(rec.mask_source, rec.mask_source)),
        ("Noise level", f"{float(np.mean(rec.sigma)):.3g} of the image's bright tissue"),
    ]
    if len(frames) > 1:
        step = step_of(frames)
        evenly = f", {step:.3g} ms apart" if step is not None else ""
        thin = f"; one in {every} is on this page" if every > 1 else ""
        rows.insert(2, ("Frames", f"{len(frames)}{evenly}: {words_of(frames[0])} to {words_of(frames[-1])}{thin}"))
    size = rec.geometry.voxel_size
    gap = f", gap {rec.geometry.slice_gap:.3g} mm" if rec.geometry.slice_gap else ""
    known = f"{size[0]:.3g} x {size[1]:.3g} x {size[2]:.3g} mm{gap}" if size else "unknown"
    rows.append(("Voxel", known))
    rows.append(("Orientation", "known" if is_known(rec.geometry, rec.n_slices) else "unknown"))
    return rows


def methods(
    several: Sequence[ReconstructedVolume | Sequence[ReconstructedVolume]],
    reference: NDArray[np.floating] | None = None,
) -> list[tuple[str, ...]]:
    """Rows of the table of methods, one column per reconstruction or movie; the first row is the header."""
    recs = [_over_frames(frames_of(one)) for one in several]
    rows: list[tuple[str, ...]] = [
        ("", *(rec.title or rec.method for rec in recs)),
        ("Time per slice", *(f"{float(np.mean(rec.seconds)):.2f} s" for rec in recs)),
        ("Data residual (1: as noise)", *(f"{mean_residual(rec.residual):.2f}" for rec in recs)),
        ("Memory, at most", *(_check(rec, "peak_mib", "{:.0f} MiB") for rec in recs)),
        ("Energy from the prior", *(_check(rec, "prior_share", "{:.1%}") for rec in recs)),
        ("Error on lines left out", *(_check(rec, "held_out_error", "{:.1%}") for rec in recs)),
        *(
            (f"The same by {name}", *(_check(rec, check, "{:.1%}") for rec in recs))
            for check, name in WITHOUT_LEARNING.items()
            if any(check in rec.checks for rec in recs)
        ),
        ("Spread where measured", *(_check(rec, "measured_dispersion", "{:.3g}") for rec in recs)),
        ("Spread where not measured", *(_check(rec, "unmeasured_dispersion", "{:.3g}") for rec in recs)),
        ("Samples", *("-" if rec.samples is None else str(len(rec.samples)) for rec in recs)),
        ("Prior", *(_prior(rec) for rec in recs)),
        ("Seed", *(str(rec.seed) for rec in recs)),
        ("Settings", *(_settings(rec) or "-" for rec in recs)),
    ]
    if reference is not None and min(reference.shape[-2:]) >= image_quality.SSIM_WINDOW:
        target = reference.reshape(-1, *reference.shape[-2:]).astype(np.float32)
        pairs = [(np.tile(target, (len(rec.magnitude) // len(target), 1, 1)), rec.magnitude) for rec in recs]
        rows[1:1] = [
            ("PSNR against the reference", *(f"{image_quality.psnr(*pair):.2f} dB" for pair in pairs)),
            ("SSIM", *(f"{image_quality.ssim(*pair):.4f}" for pair in pairs)),
            ("NMSE", *(f"{image_quality.nmse(*pair):.4f}" for pair in pairs)),
        ]
    # What none of them has is no row.
    return [row for row in rows if any(cell != "-" for cell in row[1:])]


def _settings(rec: ReconstructedVolume) -> str:
    return ", ".join(f"{WORDS.get(name, name)} {_shown(name, value)}" for name, value in rec.parameters.items())


def _shown(name: str, value: str | int | float) -> str:
    """A hash by its start, as elsewhere on the page: a word of 64 letters pushes the other columns out of sight."""
    return str(value)[:12] if name.endswith("_hash") else str(value)


def _check(rec: ReconstructedVolume, name: str, form: str) -> str:
    return form.format(rec.checks[name]) if name in rec.checks else "-"


def _prior(rec: ReconstructedVolume) -> str:
    if rec.prior is None:
        return "none"
    # The folder's name tells runs apart; where it lies on the machine that made the page is nobody's business.
    return "/".join(Path(rec.prior.path).parts[-2:]) + (f" ({rec.prior.sha256[:12]})" if rec.prior.sha256 else "")


def _over_frames(frames: Sequence[ReconstructedVolume]) -> ReconstructedVolume:
    """The frames as slices of one volume, with the mean of their checks and the highest memory."""
    if len(frames) == 1:
        return frames[0]
    checks = {name: float(np.mean([f.checks[name] for f in frames if name in f.checks])) for name in frames[0].checks}
    if "peak_mib" in checks:
        checks["peak_mib"] = max(frame.checks.get("peak_mib", 0.0) for frame in frames)
    return replace(
        frames[0],
        magnitude=np.concatenate([frame.magnitude for frame in frames]),
        residual=np.concatenate([frame.residual for frame in frames]),
        seconds=np.concatenate([frame.seconds for frame in frames]),
        checks=checks,
    )


def _where(found: NDArray[np.bool_]) -> str:
    """Which slices, counted from 1, of [frame, slice]; in how many frames, where there are several. Empty for none."""
    numbers = np.flatnonzero(found.any(axis=0)) + 1
    if not len(numbers):
        return ""
    shown = ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")
    words = f"Slice {shown}" if len(numbers) == 1 else f"Slices {shown}"
    count = int(found.any(axis=1).sum())
    return words + (f" in {count} of {len(found)} frames" if len(found) > 1 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
