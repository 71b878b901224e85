"""When the frames of a movie were measured: their step, and what a reader is told of each."""

from collections.abc import Sequence

import numpy as np

from rsd_mri.results.volume import ReconstructedVolume

EVEN = 0.05
"""Share of a step by which steps may differ."""
CLOCK = 5.0
"""And so much in any case: the clocks of scanners count in a few milliseconds [ms]."""


def moments_of(frames: Sequence[ReconstructedVolume]) -> list[float] | None:
    """When each was measured [ms]; None where that is not known of all, or they do not follow each other."""
    moments = [frame.facts.moment for frame in frames]
    known = [moment for moment in moments if moment is not None]
    if len(frames) < 2 or len(known) < len(frames) or min(np.diff(known)) <= 0:
        return None
    return known


def step_of(frames: Sequence[ReconstructedVolume]) -> float | None:
    """From one frame to the next [ms]; None where it is not known or not even."""
    moments = moments_of(frames)
    if moments is None:
        return None
    step = (moments[-1] - moments[0]) / (len(moments) - 1)
    off = float(np.abs(np.diff(moments) - step).max())
    return step if off <= max(EVEN * step, min(CLOCK, step / 4)) else None


def words_of(frame: ReconstructedVolume) -> str:
    """What tells a frame from the others: its counters, and its time or echo time."""
    words = [f"{name} {number + 1}" for name, number in frame.frame.items()]
    facts = frame.facts
    if facts.moment is not None:
        words.append(f"{facts.moment:.0f} ms after the {'trigger' if facts.triggered else 'first frame'}")
    if "contrast" in frame.frame:
        for name, values in (("TE", facts.echo_times), ("TI", facts.inversion_times)):
            words += [f"{name} {values[0]:g} ms"] if len(values) == 1 else []
    return ", ".join(words)
