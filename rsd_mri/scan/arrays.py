"""Bare arrays: numpy's `.npy` and BART's `.cfl` with its `.hdr`."""

import math
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.files import written_whole
from rsd_mri.files.trouble import of_the_machine
from rsd_mri.scan.along import scan_along
from rsd_mri.scan.axes import OWN_ORDER, PARTITION, Axes
from rsd_mri.scan.complex_values import as_complex
from rsd_mri.scan.hdf5 import check_size
from rsd_mri.scan.layouts import axes_of, scans_of_array
from rsd_mri.scan.scan import Scan

# fmt: off
BART_DIMENSIONS = (
    "READ", "PHS1", "PHS2", "COIL", "MAPS", "TE", "COEFF", "COEFF2",
    "ITER", "CSHIFT", "TIME", "TIME2", "LEVEL", "SLICE", "AVG", "BATCH",
)
# fmt: on
UNREADABLE = (
    ValueError,
    OSError,
    EOFError,
    SyntaxError,
    TypeError,
    OverflowError,
    MemoryError,
    RecursionError,
    tokenize.TokenError,
)  # fmt: skip
"""What numpy raises on damaged `.npy` headers."""
FRAMES = {"TE": "contrast", "COEFF": "time", "TIME": "repetition", "TIME2": "set", "BATCH": "frame", "AVG": "average"}
"""BART's dimensions that hold images of their own, or averages; `twixread` puts the phases of a cycle into COEFF."""


def read_npy(path: Path, budget: int | None = None, axes: str | None = None) -> tuple[Scan, ...]:
    """Read `.npy` k-space, [coil, readout, phase_encode] or [slice, coil, readout, phase_encode], or with named axes.

    Raises
    ------
    InputError
        If the file is truncated, holds objects, or is not k-space.
    """
    array, said = as_complex(_load(path, budget))
    if array.dtype.kind != "c":
        raise InputError(f"{path}: the array has type {array.dtype}; expected complex k-space")
    settled = axes_of(array, None, axes, path)
    notes = ["a bare array: image size, voxel size and noise are not known", *([said] if said else [])]
    return scans_of_array(path, "npy", np.array(array), settled, notes=tuple(notes))


def _load(path: Path, budget: int | None) -> NDArray[Any]:
    """A `.npy` array, not yet read."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except UNREADABLE as error:
        if (said := of_the_machine(path, error)) is not None:
            raise InputError(said) from error
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not a whole .npy array of numbers ({reason}); save it again") from error
    check_size(path, "the array", array.shape, array.dtype.itemsize, budget)
    return array


def read_along(path: Path, form: str, trajectory: Path, budget: int | None = None) -> tuple[Scan, ...]:
    """Read k-space along a trajectory that is another array.

    `.npy`: k-space [coil, sample, shot] or [slice, coil, sample, shot], trajectory [sample, shot, 2]. BART: k-space
    [1, sample, shot, coil], with slices as SLICE, and trajectory [3, sample, shot], whose third row is zero. Both in
    cycles per field of view, the first coordinate along the readout of the image.

    Raises
    ------
    InputError
        If the arrays are damaged or do not fit each other.
    """
    if form == "npy":
        kspace, _ = as_complex(_load(path, budget))
    else:
        full = _bart_array(path, budget)
        others = [name for i, name in enumerate(BART_DIMENSIONS) if i not in (1, 2, 3, 13) and full.shape[i] != 1]
        if others:
            raise InputError(f"{path}: dimension {others[0]} is above 1; expected [1, sample, shot, coil] and SLICE")
        kspace = full.transpose([13, 3, 1, 2, *(i for i in range(16) if i not in (1, 2, 3, 13))]).reshape(
            full.shape[13], full.shape[3], full.shape[1], full.shape[2]
        )
    where = trajectory.with_suffix(".cfl")
    if trajectory.suffix != ".npy" and where.is_file():
        found = _bart_array(where, budget)
        if found.size != np.prod(found.shape[:3]) or found.shape[0] not in (2, 3):
            raise InputError(
                f"{trajectory}: has shape {list(found.shape)}; expected BART's trajectory [3, sample, shot]"
            )
        points = found.reshape(found.shape[:3]).real.transpose(1, 2, 0)
    else:
        points = np.array(_load(trajectory, budget))
    note = "a bare array: voxel size and noise are not known"
    return (scan_along(path, form, np.array(kspace), points, notes=(note,)),)


def _bart_array(path: Path, budget: int | None) -> NDArray[np.complex64]:
    """All 16 dimensions of a BART array."""
    path = path.with_suffix(".cfl")
    header = path.with_suffix(".hdr")
    for needed in (path, header):
        if not needed.is_file():
            raise InputError(f"{path}: {needed.name} is missing; BART keeps an array in two files, .cfl and .hdr")
    size = path.stat().st_size
    shape = _bart_shape(header)
    check_size(path, "the array", tuple(shape.values()), 8, budget)
    expected = 8 * math.prod(shape.values())
    if size != expected:
        raise InputError(f"{path}: {size} bytes, but {header.name} declares {expected}; copy both files again")
    array: NDArray[np.complex64] = np.fromfile(path, "<c8").reshape(tuple(shape.values()), order="F")
    return array


def read_cfl(path: Path, budget: int | None = None, axes: str | None = None) -> tuple[Scan, ...]:
    """Read BART's `.cfl` with its `.hdr` beside it.

    READ, PHS1, COIL and SLICE are k-space; with PHS2 it is a volume. Where READ is 1, PHS1 and PHS2 are the two axes
    of the image, as after a Fourier transform along a fully sampled readout. `FRAMES` become frames, or are averaged.

    Raises
    ------
    InputError
        If one of the two files is missing or broken, or the dimensions are not Cartesian k-space.
    """
    if axes is not None:
        raise InputError(f"{path}: BART's arrays name their axes themselves; leave --axes out")
    path = path.with_suffix(".cfl")
    array = _bart_array(path, budget)
    shape = dict(zip(BART_DIMENSIONS, array.shape, strict=True))
    named = {"SLICE": "slice", "COIL": "coil", "READ": "readout", "PHS1": "phase"}
    if shape["PHS2"] > 1:
        named |= {"PHS1": "readout", "PHS2": "phase"} if shape["READ"] == 1 else {"PHS2": PARTITION}
        del named["READ" if shape["READ"] == 1 else "SLICE"]
    named |= {name: frame for name, frame in FRAMES.items() if shape[name] > 1}
    others = [name for name, n in shape.items() if n != 1 and name not in named]
    if others:
        raise InputError(
            f"{path}: dimension {others[0]} is {shape[others[0]]}; expected k-space of slices or of one volume, with "
            f"only READ, PHS1, PHS2, COIL, SLICE and {', '.join(FRAMES)} above 1"
        )
    array = array.reshape([n for name, n in shape.items() if name in named], order="F")
    order = Axes(tuple(named[name] for name in BART_DIMENSIONS if name in named), OWN_ORDER)
    notes = ("a bare array: image size, voxel size and noise are not known",)
    return scans_of_array(path, "cfl", array, order, notes=notes, bare=False)


def _bart_shape(header: Path) -> dict[str, int]:
    """Dimensions named in a `.hdr`, all 16 of them."""
    if header.stat().st_size > 1 << 20:
        raise InputError(f"{header}: larger than 1 MiB; expected BART's text header")
    lines = header.read_text(encoding="ascii", errors="replace").splitlines()
    try:
        at = [line.strip() for line in lines].index("# Dimensions")
        sizes = [int(word) for word in lines[at + 1].split()]
    except (ValueError, IndexError):
        sizes = []
    if not sizes or min(sizes) < 1 or any(n > 1 for n in sizes[16:]):
        raise InputError(f"{header}: no line of sizes after '# Dimensions'; expected BART's text header")
    sizes = (sizes + [1] * 16)[:16]
    return dict(zip(BART_DIMENSIONS, sizes, strict=True))


def write_cfl(path: str | Path, kspace: NDArray[np.complex64]) -> Path:
    """Write [slice, coil, readout, phase_encode] as BART's `.cfl` and `.hdr`; return the `.cfl`."""
    path = Path(path).with_suffix(".cfl")
    n_slices, n_coils, readout, phase = kspace.shape
    sizes = [readout, phase, 1, n_coils] + [1] * 9 + [n_slices, 1, 1]
    with written_whole(path) as partial:
        # Column-major [read, phase, coil, slice] is row-major [slice, coil, phase, read].
        np.ascontiguousarray(kspace.swapaxes(-1, -2), dtype="<c8").tofile(partial)
    with written_whole(path.with_suffix(".hdr")) as partial:
        partial.write_text("# Dimensions\n" + " ".join(map(str, sizes)) + "\n", encoding="ascii")
    return path
