"""Complex numbers as files hold them: complex, a compound of real and imaginary part, or real numbers in pairs."""

import re
from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"(^|[_.-])(real|imag|re|im|r|i)($|[_.-])")
"""Real or imaginary part in the name of a data set."""
PARTS = (("real", "imag"), ("r", "i"), ("re", "im"))
"""Names of the two fields of a compound, in small letters."""


def parts_of(dtype: np.dtype) -> tuple[str, str] | None:
    """Names of the fields that are real and imaginary part, or None."""
    names = {name.lower(): name for name in dtype.names or ()}
    for real, imaginary in PARTS:
        if set(names) == {real, imaginary} and all(dtype[names[n]].kind in "fiu" for n in names):
            return names[real], names[imaginary]
    return None


def pair_of(names: Iterable[str]) -> tuple[str, str] | None:
    """Names of two data sets that hold real and imaginary part: alike but for the word for it; None where not two."""
    found = sorted(names)
    if len(found) != 2:
        return None
    for real, imaginary in PARTS:
        for one, other in (found, found[::-1]):
            stems = [WORD.sub(r"\1\3", name.lower()) for name in (one, other)]
            words = [(WORD.search(name.lower()) or [""] * 3)[2] for name in (one, other)]
            if stems[0] == stems[1] and words == [real, imaginary]:
                return one, other
    return None


def is_complex(data: h5py.Dataset) -> bool:
    """Whether a data set holds complex numbers, as such or as a compound."""
    return data.dtype.kind == "c" or parts_of(data.dtype) is not None


def in_pairs(data: "h5py.Dataset | NDArray[Any]") -> bool:
    """Whether an array holds real and imaginary parts along a last axis of two."""
    return data.dtype.kind in "fiu" and data.ndim > 3 and data.shape[-1] == 2


def as_complex(array: NDArray[Any]) -> tuple[NDArray[Any], str | None]:
    """Complex array of an array as it was read.

    Returns
    -------
    array
        Complex, in the byte order of this machine; as it was where it holds no complex numbers.
    note
        How they were stored, where that is not usual.
    """
    parts = parts_of(array.dtype)
    if parts is not None:
        wide = max(array.dtype[0].itemsize, array.dtype[1].itemsize) > 4
        out = np.empty(array.shape, np.complex128 if wide else np.complex64)
        out.real, out.imag = array[parts[0]], array[parts[1]]
        return out, f"complex numbers were stored as a compound of {parts[0]} and {parts[1]}"
    if in_pairs(array):
        pairs = np.ascontiguousarray(array, np.float32 if array.dtype.itemsize <= 4 else np.float64)
        note = "real and imaginary part were stored along the last axis"
        return pairs.view(np.complex64 if pairs.dtype == np.float32 else np.complex128)[..., 0], note
    return array.astype(array.dtype.newbyteorder("="), copy=False), None


def interleaved(array: NDArray[Any]) -> NDArray[Any]:
    """Channels of real numbers, real and imaginary parts in turn along the last axis, as complex channels."""
    return array[..., 0::2] + 1j * array[..., 1::2]
