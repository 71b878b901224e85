"""Motion looked for before a scan is reconstructed, and what is said of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.reconstruction.motion import Motion, calibration_of, find_motion, voxel_of
from rsd_mri.scan.scan import Scan

LOOKED_AT = 3
"""Slices in which motion is looked for first; in the others only where one of these shows it."""
FEWEST, MOST = 2, 32
"""Segments between which there is something to compare, and whose poses can be found in reasonable time."""


@dataclass(frozen=True)
class Moved:
    """A scan whose slices know how they moved."""

    prepared: PreparedScan
    note: str = ""
    """What was found, or why a scan of known segments was not looked at; empty where there is nothing to compare."""
    checks: dict[str, float] = field(default_factory=dict)
    """`motion_mm`, `motion_degrees` (largest) and `motion_slices` (corrected), where it was looked for."""


def look_for_motion(prepared: PreparedScan, progress: Progress = SILENT) -> Moved:
    """Find motion between the segments of a scan, and let its slices know it.

    Where two directions are phase-encoded the slices, positions along the readout, were measured at once: they get one
    pose, the mean of those found, weighted by the signal of their slices.

    Parameters
    ----------
    prepared
        The scan.
    progress
        Told the share done.
    """
    scan = prepared.scan
    if scan.segments is None or _count(scan) < FEWEST:
        return Moved(prepared)
    if reason := _why_not(prepared):
        return Moved(prepared, f"Motion was not looked for: {reason}.")
    count = len(prepared)
    first = dict.fromkeys(round((place + 0.5) / LOOKED_AT * count - 0.5) for place in range(min(LOOKED_AT, count)))
    found = {index: find_motion(prepared, index) for index in first}
    said = f"between its {_count(scan)} segments of {'lines' if scan.segments.ndim == 1 else 'points'}"
    if not any(motion.found for motion in found.values()):
        return Moved(prepared, f"No motion in the plane was found {said}.", _figures([]))
    at_once = scan.segments.ndim == 2
    if at_once:
        found = dict.fromkeys(range(count), _mean_of(prepared, found))
    for index, part in progress.each(range(count)):
        if index not in found:
            found[index] = find_motion(prepared, index)
        if at_once:
            found[index] = replace(found[index], calibration=calibration_of(prepared, index, found[index]))
        part(1.0)
    voxel = voxel_of(prepared)
    poses = {
        index: np.column_stack([motion.shifts / voxel, motion.angles]).astype(np.float32)
        for index, motion in found.items()
        if motion.found
    }
    figures = _figures([found[index] for index in poses])
    stays = "motion within a segment and out of the plane stays"
    if at_once:
        stays = "motion within a segment and along the readout stays"
    note = (
        f"The object moved in the plane {said}, by up to {figures['motion_mm']:.1f} mm and "
        f"{figures['motion_degrees']:.1f} degrees in {len(poses)} of {count} slices, and was moved back; {stays}"
    )
    calibration = np.array(prepared.volume.calibration)
    for index in poses:
        own = found[index].calibration
        calibration[index] = calibration[index] if own is None else own
    # Samples around a narrow centre are of other poses than the centre.
    volume = replace(prepared.volume, calibration=calibration, widened=None if poses else prepared.volume.widened)
    return Moved(replace(prepared, volume=volume, poses=poses, shared_maps=None, _kept={}), f"{note}.", figures)


def _why_not(prepared: PreparedScan) -> str:
    """In words; empty where nothing is in the way."""
    scan, volume = prepared.scan, prepared.volume
    if _count(scan) > MOST:
        return f"its lines are of {_count(scan)} segments, and the poses of {MOST} at most can be found"
    if volume.partial is not None:
        return "virtual coils of partial Fourier know of none"
    if prepared.shared_maps is not None:
        return (
            f"frames that share their coil maps know of none, and the {_count(scan)} segments of each are taken as one"
        )
    if len(volume.forward) < FEWEST:
        return "one coil sees every point of k-space once"
    return ""


def _count(scan: Scan) -> int:
    """Segments of a scan."""
    return 0 if scan.segments is None else len(np.unique(scan.segments[scan.segments >= 0]))


def _mean_of(prepared: PreparedScan, found: Mapping[int, Motion]) -> Motion:
    """One motion of several slices: the mean of those that show it."""
    shown = {index: motion for index, motion in found.items() if motion.found}
    weights = [float(np.square(np.abs(prepared.volume.calibration[index])).sum()) for index in shown]
    shifts, angles, misfit = (
        np.average([getattr(motion, name) for motion in shown.values()], axis=0, weights=weights)
        for name in ("shifts", "angles", "misfit")
    )
    return Motion(shifts, angles, float(misfit))


def _figures(found: list[Motion]) -> dict[str, float]:
    return {
        "motion_mm": max((float(np.abs(one.shifts).max()) for one in found), default=0.0),
        "motion_degrees": max((math.degrees(np.abs(one.angles).max()) for one in found), default=0.0),
        "motion_slices": float(len(found)),
    }
