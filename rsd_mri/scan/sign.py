"""Sign of the Fourier transform: which way the axes of the image point."""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.findings import Finding

TURNED = ("siemens",)
"""Vendors whose raw data carry the other sign: the plain transform shows the image turned by 180 degrees in plane (seen
on a phantom of known place; mrpro and python-ismrmrd-server turn them too)."""


def settle_sign(vendor: str | None, oriented: bool = True) -> tuple[bool, Finding, tuple[str, ...]]:
    """Say whether k-space carries the other sign of the exponent.

    Parameters
    ----------
    vendor
        As the header names it.
    oriented
        Whether the records say where the image lies, so that the sign decides on left and right.

    Returns
    -------
    turned
        Whether every axis of k-space has to be reversed.
    finding, notes
        The evidence, and a warning where the vendor's sign is not known.
    """
    if vendor and any(name in vendor.lower() for name in TURNED):
        return True, Finding("sign", "the other sign: all axes are turned", f"vendor {vendor}", "turned"), ()
    who = f"vendor {vendor}" if vendor else "no vendor in the header"
    finding = Finding("sign", "plain transform", f"{who}, whose sign is not known", "plain")
    if not oriented:
        return False, finding, ()
    return (
        False,
        finding,
        (
            f"the sign of the Fourier transform is not known ({who}): the plain one is taken; were it the other, the "
            "image would be turned by 180 degrees in plane: compare left and right with an image of the scanner",
        ),
    )


def turn(kspace: NDArray[np.generic], axes: tuple[int, ...]) -> None:
    """Reverse axes about index n // 2, in place: the image is turned about pixel n // 2.

    On an axis of even length index 0, -n/2, has no partner but itself.
    """
    for axis in axes:
        view = np.moveaxis(kspace, axis, 0)
        first = 1 - len(view) % 2
        view[first:] = view[first:][::-1].copy()
