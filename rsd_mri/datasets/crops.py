"""Crops along the readout: each is a scan of its own where lines were measured."""

import torch

from rsd_mri.datasets.prepared_slice import PreparedArrays
from rsd_mri.datasets.slices import PreparedSlices
from rsd_mri.errors import InputError
from rsd_mri.operators.fourier import fft1c, ifft1c


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

    Raises
    ------
    InputError
        If `rows` is below 1.
    """

    def __init__(self, slices: PreparedSlices, rows: int) -> None:
        if rows < 1:
            raise InputError(f"data.crop: expected at least 1 row in a band, or 0 for whole slices, got {rows}")
        self.slices = slices
        self._bands = [
            (i, band, cut) for i, shape in enumerate(slices.shapes) for band, cut in enumerate(_cuts(shape[-2], rows))
        ]

    def __len__(self) -> int:
        return len(self._bands)

    @property
    def items(self) -> list[str]:
        """Identity of each band."""
        items = self.slices.items
        return [f"{items[i]}:{band}" for i, band, _ in self._bands]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of each band's maps."""
        shapes = self.slices.shapes
        return [(*shapes[i][:-2], cut.stop - cut.start, shapes[i][-1]) for i, _, cut in self._bands]

    def __getitem__(self, index: int) -> PreparedArrays:
        """A band as a prepared slice.

        Raises
        ------
        InputError
            If the slice was not measured in whole lines.
        """
        i, band, cut = self._bands[index]
        one = self.slices[i]
        mask = one["mask"] if one["mask"].ndim == 1 else one["mask"][0]
        if bool((one["mask"] != mask).any()):
            raise InputError("data.crop: bands of rows need masks of whole lines; set data.crop to 0")
        image = ifft1c(torch.from_numpy(one["kspace"]), dim=-2)[..., cut, :]
        item = str(one["item"])
        return {
            **one,
            "kspace": fft1c(image, dim=-2).numpy(),
            "csm": one["csm"][..., cut, :],
            "mask": mask,
            "slice": item,
            "item": f"{item}:{band}",
        }


def _cuts(readout: int, rows: int) -> list[slice]:
    """Rows of each band."""
    rows = min(rows, readout)
    bands = readout // rows
    first = (readout - bands * rows) // 2
    return [slice(start, start + rows) for start in range(first, first + bands * rows, rows)]
