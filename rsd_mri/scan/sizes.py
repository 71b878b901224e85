"""Field of view, size of a voxel and of the image wanted: in millimetres first, by matrices where these fail."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rsd_mri.scan.findings import Finding
from rsd_mri.scan.header import Header

Pair = tuple[int, int]
Triple = tuple[float, float, float]
LEAST_FOV, MOST_FOV = 4.0, 2000.0
"""Plausible fields of view [mm], from a mouse's ankle to a whole body."""
SAME = 0.05
"""Relative difference up to which two fields of view are one."""
NEAR = 0.01
"""Relative difference up to which the recon matrix is what the field of view asks for, rounding aside."""
LEAST_OVERSAMPLING = 1.25
"""Samples over pixels of the readout from which oversampling is looked for where the fields of view are one."""
FEWEST_SLICES = 3
"""Slices from which the field of view across them may be that of all of them where no matrix counts them."""
NAMES = ("readout", "phase encode")


@dataclass(frozen=True)
class Sizes:
    """What an image of an array measures."""

    field_of_view: tuple[float, float] | None = None
    """Of the array along (readout, phase encode) [mm]."""
    voxel: Triple | None = None
    """(readout, phase encode, slice) [mm]."""
    image: Pair | None = None
    """(readout, phase encode) of the image wanted; None where no header says."""
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = field(default=())


def in_millimetres(header: Header) -> tuple[Triple | None, Triple | None, list[str]]:
    """Encoded and recon field of view, with those of impossible size left out or taken as metres."""
    notes: list[str] = []

    def plausible(fov: Triple | None, name: str) -> Triple | None:
        if fov is None or min(fov[:2]) <= 0:
            return None
        if min(fov[:2]) >= LEAST_FOV and max(fov[:2]) <= MOST_FOV:
            return fov
        words = f"the header's {name} field of view is {fov[0]:g} x {fov[1]:g} mm, which is implausible"
        metres = (fov[0] * 1e3, fov[1] * 1e3, fov[2] * 1e3)
        if min(metres[:2]) >= LEAST_FOV and max(metres[:2]) <= MOST_FOV:
            notes.append(f"{words}; it is taken as metres: {metres[0]:g} x {metres[1]:g} mm")
            return metres
        notes.append(f"{words}; the size of the voxels is taken as not known")
        return None

    return plausible(header.encoded_fov, "encoded"), plausible(header.recon_fov, "recon"), notes


def with_oversampling(
    header: Header, n_readout: int, fills: Callable[[int, float], bool]
) -> tuple[Header, tuple[str, ...]]:
    """Mend a header that gives an oversampled readout the field of view of the image, as `raw2ismrmrd` writes it.

    Encoded and recon space then have one field of view, and recon space alone fewer points along the readout. Taken by
    the letter, that is an image of lower resolution than what was measured, squeezed along the readout.

    Parameters
    ----------
    header
        Of the encoding.
    n_readout
        Samples of a line.
    fills
        As in `settle_sizes`: an image that reaches beyond the middle was not oversampled.

    Returns
    -------
    header
        With the encoded field of view that the samples cover.
    notes
        What was mended.
    """
    encoded, recon, _ = in_millimetres(header)
    if encoded is None or recon is None or header.encoded is None or header.recon is None:
        return header, ()
    times, across = (header.encoded[axis] / max(header.recon[axis], 1) for axis in (0, 1))
    alone = times >= LEAST_OVERSAMPLING and abs(across / times - 1) > SAME
    same = abs(encoded[0] - recon[0]) <= SAME * recon[0]
    if not (alone and same and n_readout == header.encoded[0]) or fills(0, 1 / times):
        return header, ()
    side = times * recon[0]
    note = (
        f"the header gives {header.encoded[0]} samples and an image of {header.recon[0]} the same {recon[0]:g} mm "
        f"along the readout, and the image lies in the middle: the readout is taken as oversampled, over {side:g} mm"
    )
    return replace(header, encoded_fov=(side, *encoded[1:]), recon_fov=recon), (note,)


def settle_sizes(
    header: Header,
    size: Pair,
    *,
    spacing: float | None = None,
    slices: int = 1,
    target: Pair | None = None,
    fills: Callable[[int, float], bool] | None = None,
) -> Sizes:
    """Settle what an array of k-space covers, and which part of its image is wanted.

    An array of any width lies on the encoded field of view: the distance of its points is one over it. The exception
    is an array whose readout oversampling was removed.

    Parameters
    ----------
    header
        Of the encoding.
    size
        (readout, phase encode) of the array.
    spacing
        Distance from slice to slice, where positions tell it [mm].
    slices
        Their number.
    target
        Size of an image of the file's own, such as `reconstruction_rss`.
    fills
        Whether the image of an axis (0: readout, 1: phase encode) shows anything outside a central share of it:
        tells an array without oversampling from a coarse one with it.
    """
    encoded, recon, notes = in_millimetres(header)
    fov: list[float | None] = []
    wanted: list[int] = []
    why: list[str] = []
    for axis, n in enumerate(size):
        matrix = None if header.encoded is None else header.encoded[axis]
        asked = None if header.recon is None else header.recon[axis]
        side, part = (None if f is None else f[axis] for f in (encoded, recon))
        removed = False
        if side is None:
            side = None if part is None or asked is None else part * n / asked
        elif matrix and part and n < matrix and part < (1 - SAME) * side and abs(n - matrix * part / side) < 1.5:
            removed = n == asked if fills is None else fills(axis, part / side)
            if removed:
                side = side * n / matrix
                why.append(f"oversampling along {NAMES[axis]} was removed before")
        fov.append(side)
        if side is None or part is None:
            wanted.append(n if asked is None else min(asked, n))
            if asked is not None and asked > n:
                notes.append(f"the header asks for an image of {asked} along {NAMES[axis]}; k-space gives {n}")
            continue
        points = n * min(part / side, 1.0)
        near = asked is not None and abs(points - asked) <= max(1.0, NEAR * asked)
        wanted.append(min(int(asked) if near and asked is not None else round(points), n))
        if asked is not None and not near:
            why.append(f"recon matrix {asked} over {part:g} mm along {NAMES[axis]} would be interpolated")
    known = fov[0] is not None and fov[1] is not None
    said = header.recon is not None or (recon is not None and known)
    if target is not None and (known or said or target != size):
        fits = all(t <= n and abs(t - w) <= max(2, SAME * w) for t, w, n in zip(target, wanted, size, strict=True))
        if fits or (not said and all(t <= n for t, n in zip(target, size, strict=True))):
            wanted, said = list(target), True
            why.append("the file's own image has this size")
    thickness, source = _thickness(header, encoded, recon, (spacing, slices), notes)
    voxel = covers = None
    if fov[0] is not None and fov[1] is not None:
        covers = (fov[0], fov[1])
        voxel = (fov[0] / size[0], fov[1] / size[1], thickness or 1.0)
    image = (wanted[0], wanted[1]) if said else None
    evidence = "; ".join([_where(header, encoded, recon), *why])
    findings = [
        Finding("matrix", f"{size[0]} x {size[1]}, image wanted {wanted[0]} x {wanted[1]}", evidence,
                {"kspace": list(size), "image": wanted})
    ]  # fmt: skip
    if voxel is not None:
        shown = [voxel[0] * wanted[0], voxel[1] * wanted[1]]
        findings += [
            Finding("field of view", f"{fov[0]:.4g} x {fov[1]:.4g} mm, of the image {shown[0]:.4g} x {shown[1]:.4g} mm",
                    evidence, {"kspace": [fov[0], fov[1]], "image": shown}),
            Finding("voxel", " x ".join(f"{v:.3g}" for v in voxel) + " mm", f"slice: {source}", list(voxel)),
        ]  # fmt: skip
    else:
        findings += [
            Finding("field of view", "not known", "no field of view of a plausible size"),
            Finding("voxel", "not known", "no field of view of a plausible size"),
        ]
    return Sizes(covers, voxel, image, tuple(findings), tuple(notes))


def _where(header: Header, encoded: Triple | None, recon: Triple | None) -> str:
    if encoded is not None and recon is not None:
        return "header, fields of view of encoded and recon space"
    if encoded is not None or recon is not None:
        return "header, one field of view"
    return "header, matrix sizes" if header.recon is not None else "size of k-space"


def _thickness(
    header: Header, encoded: Triple | None, recon: Triple | None, stack: tuple[float | None, int], notes: list[str]
) -> tuple[float | None, str]:
    """Thickness of a slice [mm], and where it is from, of a stack of (distance from slice to slice, number of slices).

    The field of view across a slice is its thickness, whatever the matrix: unless the slices lie so close that it must
    be that of all of them, as many as the matrix says or as there are.
    """
    spacing, slices = stack
    if header.thickness is not None and header.thickness > 0:
        return header.thickness, "sliceThickness"
    for fov, matrix, name in ((recon, header.recon, "recon"), (encoded, header.encoded, "encoded")):
        if fov is None or fov[2] <= 0:
            continue
        count = 1 if matrix is None else matrix[2]
        if count == 1 and spacing and slices >= FEWEST_SLICES and abs(fov[2] / (slices * spacing) - 1) <= SAME:
            count = slices
        if spacing and count > 1 and fov[2] > 1.2 * spacing and fov[2] / count <= 1.05 * spacing:
            notes.append(
                f"the {name} field of view across the slices, {fov[2]:g} mm, is that of {count} slices "
                f"{spacing:.3g} mm apart: a slice is {fov[2] / count:.3g} mm thick"
            )
            return fov[2] / count, f"{name} field of view over {count} slices, by their distance"
        return fov[2], f"{name} field of view"
    if spacing:
        return spacing, "distance of the slices"
    return None, "not known, 1 mm taken"
