"""Which lines and samples the scanner could fill: zero padding is not undersampling."""

import numpy as np
from numpy.typing import NDArray

Window = tuple[int, int]
OFF = 2
"""Lines by which a header may be wrong about the window."""
WIDER = 2
"""An empty edge is padding from so many times the widest gap inside."""


def settle_window(
    filled: NDArray[np.bool_], said: Window | None, who: str = "header"
) -> tuple[Window | None, str, str | None]:
    """Settle the window of an axis that could be filled.

    Parameters
    ----------
    filled
        [n]: whether anything was acquired there.
    said
        First and last-plus-one index as a header or an attribute says.
    who
        What says so.

    Returns
    -------
    window
        None where it is the whole axis.
    evidence
        In a few words.
    note
        Where `said` is not what was found.
    """
    n = len(filled)
    places = np.flatnonzero(filled)
    if len(places) == 0:
        return None, "nothing is filled", None
    a, b = int(places[0]), int(places[-1]) + 1
    note = None
    if said is not None and (said[0] < 0 or said[1] > n or said[0] >= said[1]):
        note = f"the {who} says lines {said[0]}..{said[1] - 1} of {n}"
        said = None
    if said is not None and (a < said[0] - OFF or b > said[1] + OFF):
        note = f"the {who} says lines {said[0]}..{said[1] - 1}, k-space is filled at {a}..{b - 1}"
        said = None
    gaps = np.diff(places) - 1
    widest = int(gaps.max()) if len(gaps) else 0
    if widest == 0:
        # One block: what lies around it was never meant to be filled, or is left out by partial Fourier.
        return _unless_all((a, b), n), "one block is filled", note
    if said is not None:
        if (said[0], said[1]) != (min(said[0], a), max(said[1], b)):
            note = f"the {who} is off by a line or two: it says {said[0]}..{said[1] - 1}, filled are {a}..{b - 1}"
        return _unless_all((min(said[0], a), max(said[1], b)), n), who, note
    first = a if a > WIDER * widest else 0
    stop = b if n - b > WIDER * widest else n
    return _unless_all((first, stop), n), "edges emptier than any gap inside" if (first, stop) != (0, n) else "", note


def _unless_all(window: Window, n: int) -> Window | None:
    return None if window == (0, n) else window


def turned(window: Window | None, n: int) -> Window | None:
    """The window after the axis was reversed about index n // 2."""
    if window is None:
        return None
    low, high = 2 * (n // 2) - window[1] + 1, 2 * (n // 2) - window[0] + 1
    # Index 0 of an even axis stays where it is.
    return (0 if low == 1 and high > n else max(low, 0)), min(high, n)
