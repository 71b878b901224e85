"""The centre of k-space for frames that have none of their own: of the one frame that does, or of all together."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.findings import Finding, merged
from rsd_mri.scan.middle import centre_of_last, centre_window
from rsd_mri.scan.sampling import MIN_CENTRE, fully_sampled_centre
from rsd_mri.scan.scan import Scan

WIDE = 24
"""Points along either axis from which a wider centre adds little to coil maps."""
OTHER_IMAGES = ("contrast", "echo", "set")
"""Counters of frames that are other images of the object, not the same at another time."""


def frame_with_centre(frames: Sequence[Scan]) -> int | None:
    """Number of a frame whose own centre serves all of them, where some frames have none.

    Frames need not be alike (echoes decay, contrast comes and goes): where a point is the mean of some of them and its
    neighbour of others, k-space is that of no object. So a frame that measured a centre as wide as what all of them
    measured together, or as wide as maps need, is taken for all; of other images (echoes) any that is wide enough for
    maps at all. Of several the widest, of these the first.

    Parameters
    ----------
    frames
        Of one stack and one size.

    Returns
    -------
    int or None
        None where every frame has a centre of its own, or no frame has one wide enough.
    """
    windows = [fully_sampled_centre(frame.mask, frame.size) for frame in frames]
    widths = [min(window) for window in windows]
    if min(widths) >= MIN_CENTRE:
        return None
    together = min(fully_sampled_centre(_count(frames) > 0, frames[0].size))
    alike = all(len({frame.frame.get(name) for frame in frames}) == 1 for name in OTHER_IMAGES)
    if max(widths) < (max(min(together, WIDE), MIN_CENTRE) if alike else MIN_CENTRE):
        return None
    return max(range(len(frames)), key=lambda number: (widths[number], max(windows[number]), -number))


def with_centre_of_one(frames: list[Scan]) -> list[Scan]:
    """Give all frames the centre of the one that `frame_with_centre` names, for maps, scale and noise level in common.

    Frames that brought calibration lines stay as they are.

    Parameters
    ----------
    frames
        Of one stack and one size.
    """
    if len(frames) < 2 or any(frame.calibration is not None for frame in frames):
        return frames
    whole = frame_with_centre(frames)
    if whole is None:
        return frames
    source = frames[whole]
    size = fully_sampled_centre(source.mask, source.size)
    where = ", ".join(f"{name} {number}" for name, number in source.frame.items())
    note = f"not every frame has a fully sampled centre of its own; the coil maps are those of the frame {where}"
    return _with(frames, _window(source, size), size, note, f"the centre of the frame {where}")


def with_centre_of(frame: Scan, earlier: Sequence[Scan]) -> Scan:
    """Give a frame that comes alone, without a centre of its own, that of frames that came before.

    Parameters
    ----------
    frame
        As read.
    earlier
        Frames of the same slices.
    """
    alike = [one for one in earlier if one.size == frame.size and one.n_slices == frame.n_slices]
    return with_centre_of_one([*alike, frame])[-1]


def with_shared_centre(frames: list[Scan]) -> list[Scan]:
    """Give frames without a fully sampled centre that of one frame, or else that of all together.

    Undersampling that changes over time leaves a centre of all together. Frames that brought calibration lines stay as
    they are, and so do all where the centre of all together is of no use either.

    Parameters
    ----------
    frames
        Of one stack and one size.
    """
    frames = with_centre_of_one(frames)
    if len(frames) < 2 or any(frame.calibration is not None for frame in frames):
        return frames
    if all(min(fully_sampled_centre(frame.mask, frame.size)) >= MIN_CENTRE for frame in frames):
        return frames
    count = _count(frames)
    size = fully_sampled_centre(count > 0, frames[0].size)
    if min(size) < MIN_CENTRE:
        return frames
    mean = np.zeros_like(_window(frames[0], size))
    for frame in frames:
        mean += _window(frame, size)
    mean /= count[centre_window(frames[0].size, size)]
    note = f"the frames have no fully sampled centre each; the coil maps are those of the {len(frames)} frames together"
    return _with(frames, mean, size, note, "mean over the frames")


def _count(frames: Sequence[Scan]) -> NDArray[np.int64]:
    """Number of frames that measured each point, [readout, phase_encode]."""
    count: NDArray[np.int64] = np.sum([np.broadcast_to(frame.mask, frame.size) for frame in frames], axis=0)
    return count


def _window(frame: Scan, window: tuple[int, int]) -> NDArray[np.complex64]:
    """The middle of k-space [slice, coil, readout, phase_encode], a slice at a time: it may lie on disk."""
    inside = centre_of_last(frame.size, window)
    return np.stack([one[inside] for one in frame.kspace])


def _with(
    frames: Sequence[Scan], centre: NDArray[np.complex64], size: tuple[int, int], note: str, evidence: str
) -> list[Scan]:
    """All frames with one calibration."""
    whole = size[0] == frames[0].size[0]
    words = f"{size[1]} lines" if whole else f"{size[0]} x {size[1]} points"
    value = {"phase_encode": size[1]} if whole else {"readout": size[0], "phase_encode": size[1]}
    finding = Finding("calibration", words, evidence, value)
    return [
        replace(one, calibration=centre, notes=(*one.notes, note), findings=merged(one.findings, [finding]))
        for one in frames
    ]
