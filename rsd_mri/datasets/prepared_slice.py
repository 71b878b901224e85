"""One slice of a prepared folder, as it is read."""

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from typing_extensions import NotRequired


class PreparedArrays(TypedDict):
    """Arrays of a slice; batches are collated of these."""

    kspace: NDArray[np.complex64]
    """[coil, readout, phase_encode]."""
    csm: NDArray[np.complex64]
    """[(set,) coil, readout, phase_encode]."""
    mask: NDArray[np.bool_]
    """[phase_encode] or [readout, phase_encode]."""
    sigma: "np.floating[Any]"
    scale: "np.floating[Any]"
    item: str
    """Identity."""
    slice: NotRequired[str]
    """Of a part: the identity of its slice."""
