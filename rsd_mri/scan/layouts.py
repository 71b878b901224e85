"""Arrays of k-space with any axes, as data sets and MATLAB files hold them, to scans: one for each frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.files.slices import Slices
from rsd_mri.scan.assembly import LARGEST, LEAST, assemble
from rsd_mri.scan.axes import ASKED, OWN_ORDER, PARTITION, SMALLEST, Axes, arranged, is_partitioned, named, settle_axes
from rsd_mri.scan.echo_planar import mended_array
from rsd_mri.scan.findings import Finding
from rsd_mri.scan.geometry import Geometry
from rsd_mri.scan.header import Header
from rsd_mri.scan.origin import find_origin, in_words, looks_like_images, moved_to_middle
from rsd_mri.scan.partitions import to_slices
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.shared_centre import with_centre_of_one

LAYOUTS = {
    3: ("coil", "readout", "phase"),
    4: ("slice", "coil", "readout", "phase"),
}
"""Usual axes of a bare array."""
OF_PARTITIONS = ("calibration", "padding", "target")
"""What a file says of slices that turn out to be partitions, and is left out."""
IMAGES = (
    "the array looks like the images of the coils and not like their k-space: what is reconstructed from it is none; "
    "transform it first (rsd_mri.to_kspace)"
)
ALIKE = 0.3
"""Difference of averages, relative to their size, from which they are not averaged."""
CORE = 0.99
"""Quantile of the energy of the points at which averages are compared."""


def axes_of(array: NDArray[Any], usual: Sequence[str] | None, asked: str | None, path: Path) -> Axes:
    """Settle the axes of an array: as asked, or by the numbers against the usual order.

    Raises
    ------
    InputError
        If there is no usual order for so many axes, or the axes asked for do not fit.
    """
    if asked is not None:
        return named(asked, array.shape, path)
    usual = LAYOUTS.get(array.ndim) if usual is None else tuple(usual)
    if usual is None or len(usual) != array.ndim:
        raise InputError(
            f"{path}: the array has shape {list(array.shape)}; expected [coil, readout, phase_encode] or "
            "[slice, coil, readout, phase_encode]: name its axes, as in --axes slice,readout,phase,echo,coil"
        )
    return settle_axes(array, tuple(usual)) if _plausible(array) else Axes(tuple(usual), OWN_ORDER)


def scans_of_array(
    path: Path,
    form: str,
    array: NDArray[Any] | Slices,
    axes: Axes,
    *,
    notes: tuple[str, ...] = (),
    bare: bool = True,
    stored_mask: NDArray[Any] | None = None,
    header: Header | None = None,
    **further: Any,
) -> tuple[Scan, ...]:
    """Scans of an array whose axes are settled, one for each frame; averages are averaged.

    Parameters
    ----------
    path, form
        The file and the name of its format.
    array
        Complex; slices that stay in their file are those of one frame.
    axes
        Of the array.
    notes
        What the reader had to say.
    bare
        Whether nothing says where zero frequency and the image begin: then the numbers are asked.
    stored_mask
        As read; of one axis more than the other masks where it changes over the frames.
    header
        What a header says.
    **further
        For `assemble`.

    Raises
    ------
    InputError
        If the arrays are no k-space.
    """
    findings: tuple[Finding, ...] = (Finding("axes", ", ".join(axes.names), axes.evidence),)
    if isinstance(array, Slices):  # its order and its number of frames are settled
        known = {"notes": notes, "findings": findings, "header": header, **further}
        # What follows takes k-space a slice at a time.
        return (assemble(path, form, cast("NDArray[Any]", array), stored_mask=stored_mask, **known),)
    kspace, frames = arranged(array, axes)
    plausible = _plausible(kspace)
    if axes.evidence not in (OWN_ORDER, ASKED):
        notes = (*notes, f"the axes are taken as [{', '.join(axes.names)}]: {axes.evidence}")
    if axes.doubt is not None:
        notes = (*notes, f"{axes.doubt}: --axes names them")
    if "average" in frames and plausible:
        mean, said = averaged(kspace, frames.index("average"))
        notes = (*notes, *said)
        if mean is not None:
            kspace, frames = mean, tuple(name for name in frames if name != "average")
    sizes = kspace.shape[: len(frames)]
    several = [name for name, n in zip(frames, sizes, strict=True) if n > 1]
    if several:
        words = ", ".join(f"{n} of {name}" for name, n in zip(frames, sizes, strict=True) if n > 1)
        findings = (*findings, Finding("frames", words, "axes of the array", int(np.prod(sizes))))
    scans = []
    for place in product(*map(range, sizes)):
        one, said = np.ascontiguousarray(kspace[place]), ()
        if bare and one.dtype.kind == "c" and min(one.shape[-2:]) >= SMALLEST and plausible:
            origin = find_origin(one)
            if looks_like_images(one):
                said = (IMAGES,)
            elif not origin.usual:
                one, said = moved_to_middle(one, origin), in_words(origin)
        known = {"header": header, **further}
        mask = stored_mask
        if mask is not None and several and mask.ndim > 2 and mask.shape[: len(frames)] == sizes:
            mask = mask[place]
        open_to_doubt = plausible and axes.evidence != ASKED and (bare or header is not None)
        if PARTITION in axes.names or (open_to_doubt and is_partitioned(one)):
            lies = known.get("geometry") or Geometry()
            volume = _Volume.of(one, mask, header, lies, PARTITION in axes.names)
            one, mask, said = volume.kspace, volume.mask, (*said, volume.note)
            known = {name: value for name, value in known.items() if name not in OF_PARTITIONS}
            known |= {"header": volume.header, "geometry": volume.geometry}
        elif header is not None and plausible:
            one, more = mended_array(one, header, path)
            said = (*said, *more)
        label = {name: i for name, i, n in zip(frames, place, sizes, strict=True) if n > 1}
        known |= {"notes": (*notes, *said), "findings": findings, "frame": label}
        scans.append(assemble(path, form, one, stored_mask=mask, **known))
    return tuple(with_centre_of_one(scans))


@dataclass(frozen=True)
class _Volume:
    """A volume as slices across its readout."""

    kspace: NDArray[np.complex64]
    """[readout position, coil, phase_encode, partition]."""
    mask: NDArray[Any] | None
    header: Header | None
    geometry: Geometry
    note: str

    @classmethod
    def of(
        cls, kspace: NDArray[Any], mask: NDArray[Any] | None, header: Header | None, geometry: Geometry, named: bool
    ) -> "_Volume":
        """Of k-space [partition, coil, readout, phase_encode], whose axes were `named`; a mask of lines is of all."""
        found, turned, lies = to_slices(kspace.astype(np.complex64), header or Header(), geometry)
        if mask is not None and np.shape(mask) == (kspace.shape[-1],):
            mask = np.repeat(np.asarray(mask)[:, None], len(kspace), axis=1)
        note = "a volume: transformed along the readout, whose positions are the slices"
        if not named:
            note = (
                f"the energy of the {len(kspace)} slices lies in the middle ones, as of a phase encode: the array is "
                "taken as a volume [partition, coil, readout, phase] and transformed along the readout; with --axes "
                "slice,coil,readout,phase they are slices"
            )
        return cls(found, mask, None if header is None else turned, lies, note)


def _plausible(array: NDArray[Any]) -> bool:
    """Whether sums of the squares of all values are numbers; others are refused when scans are assembled."""
    with np.errstate(invalid="ignore"):
        ends = [end(part, initial=0) for part in (array.real, array.imag) for end in (np.max, np.min)]
        return all(-LARGEST < end < LARGEST for end in ends) and max(map(abs, ends)) >= LEAST


def averaged(kspace: NDArray[Any], axis: int) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """Mean over an axis of averages, at each point of those that measured it.

    Parameters
    ----------
    kspace
        [..., slice, coil, readout, phase_encode].
    axis
        That of the averages, one of the first.

    Returns
    -------
    mean
        Without the axis; None where the averages disagree around the centre of k-space, by motion or a phase of their
        own: they would blur or cancel the image.
    notes
        One sentence.
    """
    moved = np.moveaxis(kspace, axis, 0)
    if len(moved) == 1:
        return moved[0], ()
    total = np.zeros(moved.shape[1:], kspace.dtype)
    count = np.zeros((*moved.shape[1:-3], 1, *moved.shape[-2:]), np.float32)
    for one in moved:
        total += one
        count += (one != 0).any(axis=-3, keepdims=True)
    mean = total / np.maximum(count, 1)
    power = np.where(count > 1, (np.abs(mean) ** 2).sum(axis=-3, keepdims=True), 0)
    if power.any():
        core = power >= np.quantile(power[power > 0], CORE)
        off = sum(float((np.abs((one - mean) * core * (one != 0)) ** 2).sum()) for one in moved)
        size = sum(float((np.abs(one * core) ** 2).sum()) for one in moved)
        if off > ALIKE**2 * size:
            share = np.sqrt(off / max(size, 1e-300))
            return None, (f"the {len(moved)} averages disagree by {share:.0%} and were not averaged: an image of each",)
    uneven = "" if (count == len(moved)).all() else ", each point over those that measured it"
    return mean, (f"{len(moved)} averages were averaged{uneven}",)
