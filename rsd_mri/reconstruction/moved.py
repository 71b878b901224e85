"""Motion looked for before a scan is reconstructed, and what is said of it."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.reconstruction.methods import Method
from rsd_mri.reconstruction.motion import Motion, find_motion, voxel_of

LOOKED_AT = 3
"""Slices in which motion is looked for first; in the others only where one of these shows it."""
FEWEST = 2
"""Segments without which there is nothing to compare."""


@dataclass(frozen=True)
class Moved:
    """A scan whose slices know how they moved."""

    prepared: PreparedScan
    note: str = ""
    """What was found, or why a scan of known segments was not looked at; empty where there is nothing to compare."""
    checks: dict[str, float] = field(default_factory=dict)
    """`motion_mm`, `motion_degrees` (largest) and `motion_slices` (corrected), where it was looked for."""


def look_for_motion(prepared: PreparedScan, method: Method, progress: Progress = SILENT) -> Moved:
    """Find motion between the segments of a scan, and let its slices know it.

    Parameters
    ----------
    prepared
        The scan.
    method
        That will reconstruct it.
    progress
        Told the share done.
    """
    scan = prepared.scan
    parts = 0 if scan.segments is None else len(np.unique(scan.segments[scan.segments >= 0]))
    if parts < FEWEST:
        return Moved(prepared)
    if reason := _why_not(prepared, method):
        return Moved(prepared, f"Motion was not looked for: {reason}.")
    count = len(prepared)
    first = dict.fromkeys(round((place + 0.5) / LOOKED_AT * count - 0.5) for place in range(min(LOOKED_AT, count)))
    found = {index: find_motion(prepared, index) for index in first}
    said = f"between its {parts} segments of lines"
    if not any(motion.found for motion in found.values()):
        return Moved(prepared, f"No motion in the plane was found {said}.", _figures([]))
    for index, part in progress.each(range(count)):
        if index not in found:
            found[index] = find_motion(prepared, index)
        part(1.0)
    voxel = voxel_of(prepared)
    poses = {
        index: np.column_stack([motion.shifts / voxel, motion.angles]).astype(np.float32)
        for index, motion in found.items()
        if motion.found
    }
    figures = _figures([found[index] for index in poses])
    note = (
        f"The object moved in the plane {said}, by up to {figures['motion_mm']:.1f} mm and "
        f"{figures['motion_degrees']:.1f} degrees in {len(poses)} of {count} slices, and was moved back; motion within "
        "a segment and out of the plane stays"
    )
    calibration = prepared.volume.calibration.copy()
    for index in poses:
        own = found[index].calibration
        calibration[index] = calibration[index] if own is None else own
    volume = replace(prepared.volume, calibration=calibration)
    return Moved(replace(prepared, volume=volume, poses=poses, shared_maps=None, _kept={}), f"{note}.", figures)


def _why_not(prepared: PreparedScan, method: Method) -> str:
    """In words; empty where nothing is in the way."""
    scan, volume = prepared.scan, prepared.volume
    if scan.trajectory is not None or scan.mask.ndim != 1:
        return "its segments are of lines, and it was not measured line by line"
    if volume.partial is not None:
        return "virtual coils of partial Fourier know of none"
    if scan.frame or getattr(method, "volume", False):
        return "frames, and slices that are sampled together, know of none"
    if len(volume.forward) < FEWEST:
        return "one coil sees every point of k-space once"
    return ""


def _figures(found: list[Motion]) -> dict[str, float]:
    return {
        "motion_mm": max((float(np.abs(one.shifts).max()) for one in found), default=0.0),
        "motion_degrees": max((math.degrees(np.abs(one.angles).max()) for one in found), default=0.0),
        "motion_slices": float(len(found)),
    }
