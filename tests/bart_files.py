"""BART's pairs of files, written and read without the package: complex64 in Fortran order, sizes in a text header."""

import numpy as np


def write_cfl(path, array):
    """Write an array; its first axis is BART's first dimension."""
    sizes = [*array.shape, *[1] * (16 - array.ndim)]
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, sizes)) + "\n")
    array.astype(np.complex64).ravel(order="F").tofile(path.with_suffix(".cfl"))


def read_cfl(path):
    """Read an array, without its axes of one point."""
    sizes = [int(n) for n in path.with_suffix(".hdr").read_text().splitlines()[1].split()]
    return np.fromfile(path.with_suffix(".cfl"), np.complex64).reshape(sizes, order="F").squeeze()
