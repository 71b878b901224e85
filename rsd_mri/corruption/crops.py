"""Crops along the readout: each is a scan of its own where lines were measured."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.corruption.slices import PreparedSlices
from rsd_mri.errors import InputError


class ReadoutCrops:
    """The slices of a folder cut into bands of rows that do not overlap; itself `PreparedSlices`.

    Masks of whole lines do not act along the readout: a band of the image obeys y = M F S x with its own rows of the
    maps and the same noise, and the network learns from smaller items. What is left of the rows lies at both edges.

    Parameters
    ----------
    slices
        Prepared slices.
    rows
        Readout size of a band [pixels]; slices with fewer rows stay whole.
    """

    def __init__(self, slices: PreparedSlices, rows: int) -> None:
        self.slices, self.rows = slices, rows
        self._places = [
            (i, band) for i, shape in enumerate(slices.shapes) for band in range(max(shape[-2] // rows, 1))
        ]

    def __len__(self) -> int:
        return len(self._places)

    @property
    def items(self) -> list[str]:
        """Identity of each band."""
        items = self.slices.items
        return [f"{items[i]}:{band}" for i, band in self._places]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of each band's maps."""
        shapes = self.slices.shapes
        return [(*shapes[i][:-2], min(self.rows, shapes[i][-2]), shapes[i][-1]) for i, _ in self._places]

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """A band as a prepared slice.

        Raises
        ------
        InputError
            If the slice was not measured in whole lines.
        """
        i, band = self._places[index]
        one = self.slices[i]
        mask = one["mask"] if one["mask"].ndim == 1 else one["mask"][0]
        if bool((one["mask"] != mask).any()):
            raise InputError("data.crop: bands of rows need masks of whole lines; set data.crop to 0")
        readout = one["kspace"].shape[-2]
        bands = max(readout // self.rows, 1)
        rows = min(self.rows, readout)
        start = (readout - bands * rows) // 2 + band * rows
        cut = slice(start, start + rows)
        image = _transform(np.fft.ifft, one["kspace"])[..., cut, :]
        kspace: NDArray[np.complex64] = _transform(np.fft.fft, image).astype(np.complex64)
        csm, item = one["csm"][..., cut, :], one["item"]
        return {**one, "kspace": kspace, "csm": csm, "mask": mask, "slice": item, "item": f"{item}:{band}"}


def _transform(fft: Callable[..., NDArray[Any]], x: NDArray[Any]) -> NDArray[Any]:
    """Centred, unitary, along the readout."""
    shifted = fft(np.fft.ifftshift(x, axes=-2), axis=-2, norm="ortho")
    return np.fft.fftshift(shifted, axes=-2)
