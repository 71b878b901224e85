"""Arrays too large to hold at once, slice by slice: read from their file, or put aside on disk as they are made."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.files.hdf5 import read_hdf5
from rsd_mri.files.scratch import Scratch

SPOOLED_BYTES = 1 << 26
"""Arrays of all slices that take more are put aside on disk, where they are hardly ever looked at [bytes]."""

Change: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]


class Slices(NDArrayOperatorsMixin, ABC):
    """An array of which only the slices asked for are held: iterated, or indexed as a NumPy array.

    What NumPy does with it as a whole, it does with all of it in memory.

    Parameters
    ----------
    shape, dtype
        Of the whole array; its first axis counts the slices.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape = shape
        self.dtype = dtype
        self._changes: list[tuple[Change, NDArray[np.bool_] | None]] = []

    @abstractmethod
    def read(self, index: int) -> NDArray[Any]:
        """One slice as it is stored, an array of its own."""

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Memory that the whole would take [bytes]."""
        return self.size * self.dtype.itemsize

    def change(self, change: Change, which: NDArray[np.bool_] | None = None) -> None:
        """Change every slice, or `which` of them, from now on, whenever it is read."""
        self._changes.append((change, which))

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self._one(index) for index in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        first, rest = _split(key, self.ndim)
        chosen = np.arange(len(self))[first]
        if chosen.ndim == 0:
            return self._one(int(chosen))[rest]
        if chosen.ndim != 1 or not len(chosen):
            return np.asarray(self)[key]
        # Copies: a view would keep its whole slice.
        return np.stack([self._one(int(index))[rest].copy() for index in chosen])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ARG002 - NumPy's call
        out = np.empty(self.shape, self.dtype)
        for index, one in enumerate(self):
            out[index] = one
        return out if dtype is None else out.astype(dtype, copy=False)

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **options: Any) -> Any:
        whole = [np.asarray(one) if isinstance(one, Slices) else one for one in inputs]
        return getattr(function, method)(*whole, **options)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'x'.join(map(str, self.shape))} {self.dtype}>"

    def _one(self, index: int) -> NDArray[Any]:
        one = self.read(index)
        for change, which in self._changes:
            if which is None or which[index]:
                one = change(one)
        return one


def _split(key: Any, ndim: int) -> tuple[Any, tuple[Any, ...]]:
    """The part of an index that chooses slices, and the rest."""
    keys = key if isinstance(key, tuple) else (key,)
    if keys and keys[0] is Ellipsis:
        axes = sum(k.ndim if isinstance(k, np.ndarray) and k.dtype == bool else 1 for k in keys[1:])
        return (slice(None), keys) if axes < ndim else (keys[1], keys[2:])
    return (keys[0], keys[1:]) if keys else (slice(None), ())


def change_each(array: "NDArray[Any] | Slices", change: Change, which: NDArray[np.bool_] | None = None) -> None:
    """Change every slice of an array, or `which` of them, in place, or of slices as they will be read."""
    if isinstance(array, Slices):
        array.change(change, which)
        return
    for index, one in enumerate(array):
        if which is None or which[index]:
            one[...] = change(one)


class StoredSlices(Slices):
    """A data set of an HDF5 file, which stays where it is.

    Parameters
    ----------
    path, name
        The file and the data set in it.
    shape, dtype
        Of the data set.
    """

    def __init__(self, path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        super().__init__(shape, dtype)
        self.path, self.name = path, name

    def read(self, index: int) -> NDArray[Any]:
        """One slice from the file.

        Raises
        ------
        InputError
            If it can no longer be read.
        """
        try:
            with read_hdf5(self.path) as file:
                data = file[self.name]
                if data.shape != self.shape or data.dtype != self.dtype:
                    raise InputError(f"{self.path}: was changed while it was read; run the command again")
                return np.asarray(data[index])
        except (OSError, RuntimeError, KeyError) as error:
            reason = " ".join(str(error).split())[:160]
            raise InputError(f"{self.path}: slice {index} of {self.name} cannot be read ({reason})") from error


class Spool(Scratch):
    """A nameless temporary file in which arrays are put aside."""

    def __init__(self) -> None:
        super().__init__()
        self._end = 0

    def room(self, size: int) -> int:
        """Set so many bytes aside; return where they begin."""
        begin, self._end = self._end, self._end + size
        return begin

    def put_aside(self, array: "NDArray[Any] | Slices") -> "SpooledSlices":
        """Put all slices of an array aside."""
        put = SpooledSlices(array.shape, array.dtype, self)
        for index, one in enumerate(array):
            put.put(index, one)
        return put


class SpooledSlices(Slices):
    """Slices that are put aside on disk as they are made.

    Parameters
    ----------
    shape, dtype
        Of the whole array.
    spool
        Where; a file of its own where not given.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], spool: Spool | None = None) -> None:
        super().__init__(shape, dtype)
        self._spool = spool or Spool()
        self._bytes = self.nbytes // max(len(self), 1)
        self._begin = self._spool.room(self.nbytes)

    def put(self, index: int, one: NDArray[Any]) -> None:
        """Put a slice aside."""
        self._spool.write(self._begin + index * self._bytes, np.ascontiguousarray(one, self.dtype).data)

    def read(self, index: int) -> NDArray[Any]:
        """One slice as it was put aside."""
        data = self._spool.read(self._begin + index * self._bytes, self._bytes)
        return np.frombuffer(bytearray(data), self.dtype).reshape(self.shape[1:])
