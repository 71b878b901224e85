"""fastMRI's HDF5 layout, read.

`kspace` [slice, coil, readout, phase_encode], optional `mask`, `ismrmrd_header` (XML), attributes. Written
files also keep what the layout has no place for: data sets `noise` and `calibration`, and the directions and
positions of the slices as attributes. Beside a data set `trajectory` [sample, shot, 2], in cycles per field of
view, `kspace` is [slice, coil, sample, shot]. `segments` [phase_encode] or
[readout, phase_encode] says in which segment (echo train) each line or point was measured, -1 where none was.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.files.slices import Slices, StoredSlices
from rsd_mri.scan.along import scan_along
from rsd_mri.scan.assembly import swapped
from rsd_mri.scan.axes import OWN_ORDER, Axes
from rsd_mri.scan.complex_values import as_complex, in_pairs, is_complex
from rsd_mri.scan.echo_planar import is_echo_planar
from rsd_mri.scan.geometry import Geometry
from rsd_mri.scan.hdf5 import check_size, dataset, opened, plain_attributes, read_array, read_text
from rsd_mri.scan.header import Header, parse_header
from rsd_mri.scan.layouts import axes_of, scans_of_array
from rsd_mri.scan.noise_band import CUT, in_band
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.segments import with_segments
from rsd_mri.scan.sizes import settle_sizes
from rsd_mri.scan.writing import DIRECTIONS

USUAL = {
    3: ("slice", "readout", "phase"),
    4: ("slice", "coil", "readout", "phase"),
    5: ("average", "slice", "coil", "readout", "phase"),
}
LARGE = 1 << 28
"""Size of k-space from which it stays in its file, where it may [bytes]."""


def read_fastmri(
    path: Path, budget: int | None = None, axes: str | None = None, streamed: bool = False
) -> tuple[Scan, ...]:
    """Read a scan in fastMRI's layout: multi-coil and single-coil, prostate (averages first), with or without a mask.

    Where it is `streamed`, and large, k-space stays in the file; its slices are read whenever they are asked for.

    Raises
    ------
    InputError
        If the file is damaged or is not a scan.
    """
    notes: list[str] = []
    with opened(path) as file:
        data = dataset(file, "kspace", path)
        if data is None:
            raise InputError(f"{path}: there is no data set kspace; expected a scan in fastMRI's layout")
        paired = data.shape is not None and in_pairs(data)
        if not (is_complex(data) or paired):
            raise InputError(
                f"{path}: kspace has type {data.dtype}; expected complex64, or real and imaginary part along a last "
                "axis of two"
            )
        if data.id.get_storage_size() == 0 and data.size:
            raise InputError(f"{path}: kspace is declared but was never written; export or copy it again")
        usual = USUAL.get(data.ndim - paired)
        if usual is None and axes is None:
            raise InputError(
                f"{path}: kspace has shape {list(data.shape or ())}; expected [slice, coil, readout, phase_encode]; "
                "name other axes, as in --axes slice,readout,phase,echo,coil"
            )
        points_data = dataset(file, "trajectory", path)
        points = None if points_data is None else read_array(points_data, "trajectory", path, budget)
        text_data = dataset(file, "ismrmrd_header", path)
        text = None if text_data is None else read_text(text_data, "ismrmrd_header", path)
        header = Header() if text is None else parse_header(text, path)
        stays = (
            points is None
            and streamed
            and axes is None
            and budget is None
            and text is not None
            and _stays(data, header)
        )
        kspace: NDArray[Any] | Slices
        if stays:
            check_size(path, "a slice of kspace", data.shape[1:], data.dtype.itemsize, None)
            kspace = StoredSlices(path, "kspace", data.shape, data.dtype)
        else:
            kspace, said = as_complex(read_array(data, "kspace", path, budget))
            notes += [said] if said else []
        mask_data = dataset(file, "mask", path)
        mask = None if mask_data is None else read_array(mask_data, "mask", path, budget)
        extra = {
            name.removesuffix("_data"): read_array(item, name, path, budget)
            for name in ("noise", "calibration_data", "calibration")
            if (item := dataset(file, name, path)) is not None
        }
        segments_data = dataset(file, "segments", path)
        segments = None if segments_data is None else read_array(segments_data, "segments", path, budget)
        attributes, unread = plain_attributes(file, ignore=(*DIRECTIONS, "positions", "slice_gap"))
        notes += unread
        geometry = _read_geometry(file, path)
        target = dataset(file, "reconstruction_rss", path)
        size = None if target is None or len(target.shape or ()) < 2 else (int(target.shape[-2]), int(target.shape[-1]))
    if text is None:
        notes.append("there is no ismrmrd_header; the image size is taken from k-space")
    if points is not None and isinstance(kspace, np.ndarray):
        if header.patient and "patient_id" not in attributes:
            attributes["patient_id"] = header.patient
        n_slices, n_coils = (1, *kspace.shape)[-4:-2]
        known: dict[str, Any] = {
            "noise": _noise(extra, n_coils, notes),
            "calibration": _fitting(extra, "calibration", (n_slices, n_coils, -1, -1), notes),
        }
        matrix = None if header.encoded is None else (header.recon or header.encoded)[:2]
        if segments is not None:
            notes.append("segments of shots along a trajectory are not used: motion is looked for on Cartesian grids")
        return (
            scan_along(
                path, "fastmri", kspace, points, matrix,
                voxel=None if matrix is None else settle_sizes(header, matrix).voxel, geometry=geometry,
                notes=tuple(notes), attributes=attributes, header=text, facts=header.facts, **known,
            ),
        )  # fmt: skip
    if isinstance(kspace, Slices):
        settled = Axes(USUAL[4], OWN_ORDER)
    else:
        settled = _axes(kspace, usual, header if text else None, axes, path)
    if settled.names == USUAL[3]:
        notes.append("kspace has three axes and is taken as [slice, readout, phase_encode] of one coil")
    if header.patient and "patient_id" not in attributes:
        attributes["patient_id"] = header.patient
    n_slices, n_coils = (kspace.shape[settled.names.index(n)] if n in settled.names else 1 for n in ("slice", "coil"))
    if size is not None and settled.names.index("phase") < settled.names.index("readout"):
        size = (size[1], size[0])
    scans = scans_of_array(
        path, "fastmri", kspace, settled, bare=text is None,
        stored_mask=mask, header=header, header_text=text, geometry=geometry,
        noise=_noise(extra, n_coils, notes),
        calibration=_fitting(extra, "calibration", (n_slices, n_coils, -1, -1), notes),
        attributes=attributes, notes=tuple(notes), padding=_padding(attributes), target=size,
    )  # fmt: skip
    return scans if segments is None else tuple(with_segments(scan, segments, "in the file") for scan in scans)


def _stays(data: h5py.Dataset, header: Header) -> bool:
    """Whether k-space is large, and nothing has to be done with it but what is done slice by slice."""
    if data.ndim != 4 or data.dtype != np.complex64 or data.nbytes < LARGE:
        return False
    own_order = header.coils in (None, data.shape[1]) and not swapped(header, data.shape)
    # That of a volume is transformed as a whole.
    slices = header.encoded is None or header.encoded[2] <= 1
    return own_order and slices and not is_echo_planar(header)


def _axes(
    kspace: NDArray[Any], usual: tuple[str, ...] | None, header: Header | None, asked: str | None, path: Path
) -> Axes:
    """The order of the axes: the format's own where a header's number of coils agrees with it."""
    known = usual == USUAL[3]
    if usual is not None and header is not None and "coil" in usual:
        known = header.coils in (None, kspace.shape[usual.index("coil")])
    if asked is None and usual is not None and known:
        return Axes(usual, OWN_ORDER)
    return axes_of(kspace, usual, asked, path)


def _padding(attributes: Mapping[str, str | int | float]) -> tuple[int, int] | None:
    """First and last-plus-one line that was filled, where attributes say so."""
    left, right = attributes.get("padding_left"), attributes.get("padding_right")
    return (int(left), int(right)) if isinstance(left, int) and isinstance(right, int) else None


def _noise(extra: dict[str, NDArray[Any]], n_coils: int, notes: list[str]) -> NDArray[np.complex64] | None:
    """The noise scan, if it fits, in the band of the image."""
    noise = _fitting(extra, "noise", (n_coils, -1), notes)
    if noise is None:
        return None
    band = in_band(noise)
    notes += [CUT] if band.cut else []
    return band.samples


def _fitting(
    extra: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...], notes: list[str]
) -> NDArray[np.complex64] | None:
    """Return an optional array if it fits the scan (-1 is any size); else note that it was left out."""
    array = extra.get(name)
    if array is None:
        return None
    fits = array.ndim == len(shape) and all(want in (-1, n) for n, want in zip(array.shape, shape, strict=True))
    if not fits or array.dtype.kind != "c" or not np.isfinite(array.view(array.real.dtype)).all():
        notes.append(f"{name} {list(array.shape)} does not fit kspace and was not read")
        return None
    return np.ascontiguousarray(array, dtype=np.complex64)


def _read_geometry(file: h5py.File, path: Path) -> Geometry:
    """Directions and positions from the attributes that `write_fastmri` adds."""

    def numbers(name: str, *shape: int) -> NDArray[np.float64] | None:
        if name not in file.attrs:
            return None
        value = np.asarray(file.attrs[name])
        if value.dtype.kind != "f" or value.size > 1 << 20 or value.ndim != len(shape):
            raise InputError(f"{path}: attribute {name} has type {value.dtype}; expected numbers {list(shape)}")
        if any(want not in (-1, n) for n, want in zip(value.shape, shape, strict=True)):
            raise InputError(f"{path}: attribute {name} has shape {list(value.shape)}; expected {list(shape)}")
        return value

    directions = {
        name: None if (value := numbers(name, 3)) is None else (float(value[0]), float(value[1]), float(value[2]))
        for name in DIRECTIONS
    }
    positions, gap = numbers("positions", -1, 3), numbers("slice_gap")
    return Geometry(
        slice_gap=0.0 if gap is None else float(gap),
        positions=() if positions is None else tuple((float(x), float(y), float(z)) for x, y, z in positions),
        **directions,
    )
