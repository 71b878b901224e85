#!/usr/bin/env bash
# ismrmrd 1.15.0 (Python) has two ways to files, `Dataset` and `File`. A complex64 image, the format's usual complex one, that
# `Dataset` wrote is refused by `File` with a TypeError; one that `File` wrote is refused by both, `File` itself included, and its
# parts are called r and i where the C++ library has real and imag. Real images and complex128 go every way.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q "ismrmrd==1.15.0" "numpy==2.2.6" "h5py==3.13.0"
cat > show.py <<'PY'
from importlib.metadata import version
from itertools import product

import h5py
import ismrmrd
import numpy as np

HEADER = (
    b'<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><experimentalConditions><H1resonanceFrequency_Hz>128000000'
    b"</H1resonanceFrequency_Hz></experimentalConditions></ismrmrdHeader>"
)


def write(path, way, image):
    if way == "Dataset":
        with ismrmrd.Dataset(path, "dataset") as file:
            file.write_xml_header(HEADER)
            file.append_image("images", image)
    else:
        with ismrmrd.File(path, "w") as file:
            file["dataset"]["images"].images = [image]


def read(path, way):
    if way == "Dataset":
        with ismrmrd.Dataset(path, "dataset", False) as file:
            return file.read_image("images", 0).data
    with ismrmrd.File(path, "r") as file:
        return file["dataset"]["images"].images[0].data


print("ismrmrd", version("ismrmrd"), "numpy", np.__version__, "h5py", h5py.__version__)
values = np.random.default_rng(0).standard_normal((2, 1, 1, 4, 6))
for kind, writer in product((np.float32, np.complex64, np.complex128), ("Dataset", "File")):
    pixels = (values[0] + 1j * values[1] if np.dtype(kind).kind == "c" else values[0]).astype(kind)
    path = f"{np.dtype(kind)}-{writer}.h5"
    write(path, writer, ismrmrd.Image.from_array(pixels, transpose=False))
    with h5py.File(path) as file:
        stored = file["dataset/images/data"].id.get_type()
        parts = [stored.get_member_name(i).decode() for i in range(stored.get_nmembers())] if isinstance(
            stored, h5py.h5t.TypeCompoundID) else []
    found = {}
    for reader in ("Dataset", "File"):
        try:
            found[reader] = "read" if np.array_equal(read(path, reader), pixels) else "other values"
        except TypeError as error:
            found[reader] = f"TypeError ({str(error)[:17]} ...)"
    print(f"{np.dtype(kind)} written by {writer}, parts {parts}: by Dataset {found['Dataset']}, by File {found['File']}")
    refused = {"Dataset": {"File"}, "File": {"Dataset", "File"}}[writer] if kind is np.complex64 else set()
    assert {name for name, said in found.items() if said != "read"} == refused, "other images are read now"
PY
venv/bin/python show.py
