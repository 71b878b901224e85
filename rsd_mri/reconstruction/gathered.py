"""The slices of a reconstruction as they are finished: each image is held once, large maps lie on disk."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.files.slices import SPOOLED_BYTES, Slices, SpooledSlices
from rsd_mri.reconstruction.finish import FinishedSlice

NOTHING: NDArray[Any] = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Images:
    """Images of all slices, as fields of `FinishedSlice` say, with the slice as their first axis."""

    magnitude: NDArray[np.float32]
    image: NDArray[np.complex64]
    csm: "NDArray[np.complex64] | Slices"
    samples: NDArray[np.float32]
    """[slice, sample, readout, phase_encode]."""
    measured: NDArray[np.float32]
    prior: NDArray[np.float32]

    @classmethod
    def like(cls, one: FinishedSlice, count: int) -> "Images":
        """Room for so many slices."""
        room: dict[str, Any] = {}
        for field in fields(cls):
            part = getattr(one, field.name)
            large = field.name == "csm" and count * part.nbytes > SPOOLED_BYTES
            room[field.name] = (SpooledSlices if large else np.empty)((count, *part.shape), part.dtype)
        return cls(**room)

    def put(self, index: int, one: FinishedSlice) -> FinishedSlice:
        """Put the images of a slice in their places; return what else there is of it."""
        for field in fields(self):
            room, part = getattr(self, field.name), getattr(one, field.name)
            if isinstance(room, SpooledSlices):
                room.put(index, part)
            else:
                room[index] = part
        nothing: dict[str, Any] = {field.name: NOTHING for field in fields(self)}
        return replace(one, **nothing)
