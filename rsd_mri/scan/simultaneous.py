"""Slices that were excited at once, whose images lie on top of each other in every record."""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.frames import frames_by_counters
from rsd_mri.scan.header import Header
from rsd_mri.scan.records import Records


def refuse_simultaneous(records: Records, header: Header, image: NDArray[np.intp]) -> None:
    """Refuse records of several slices at once: each would be an image of all of them.

    Records that were separated before hold every slice that the header counts, in every frame.

    Parameters
    ----------
    records
        Of the measurement.
    header
        Of the image's encoding.
    image
        Indices of the imaging records.

    Raises
    ------
    InputError
        If the header says that slices were excited together, and a frame has fewer than it counts.
    """
    at_once = header.multiband
    if at_once < 2:
        return
    counts = [
        len(np.unique(records.head["idx"]["slice"][frame.chosen])) for frame in frames_by_counters(records, image)
    ]
    if header.slices is not None and header.slices > 1 and min(counts) >= header.slices:
        return
    raise InputError(
        f"{records.source}: {at_once} slices were excited at once, as the header says, and their images lie on top of "
        f"each other in {min(counts)} recorded ones; simultaneous slices are not separated here: separate them first, "
        "or measure without multiband"
    )
