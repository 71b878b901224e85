#!/usr/bin/env bash
# ISMRMRD's generator (Debian 12, ismrmrd-tools 1.8.0-2+b1) writes a header for twofold readout oversampling whatever `-O` is: an
# encoded field of view of 600 mm, a recon one of 300 mm and half as many pixels as samples. With `-O 1` the phantom it stores
# fills the field of view as always, and `ismrmrd_recon_cartesian_2d`, or whoever follows the header, cuts a quarter of the
# columns off each side, through the head. With `-O 3` half as much again as the phantom is kept. `-O 2` is right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
wanted=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    ismrmrd-tools | grep '^[a-z]' | sort -u | grep -vx 'libc6\|ismrmrd-tools')
apt-get download -q -o APT::Sandbox::User=root "ismrmrd-tools=1.8.0-2+b1" $wanted > apt.log
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH="$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu"
for oversampling in 1 2 3; do
    root/usr/bin/ismrmrd_generate_cartesian_shepp_logan -m 64 -c 1 -n 0 -O $oversampling -o $oversampling.h5 > log
    root/usr/bin/ismrmrd_recon_cartesian_2d $oversampling.h5 > log
done
unset LD_LIBRARY_PATH
python3 -m venv venv
venv/bin/pip install -q "h5py==3.13.0" "numpy==2.2.6"
cat > show.py <<'PY'
import re

import h5py
import numpy as np

print("ismrmrd-tools 1.8.0-2+b1, a phantom of 64 x 64")
for oversampling in (1, 2, 3):
    with h5py.File(f"{oversampling}.h5") as file:
        header = file["dataset/xml"][0].decode()
        phantom = np.squeeze(file["dataset/phantom"][()]["real"])
        image = np.squeeze(file["dataset/cpp/data"][()])
    fields = re.findall(r"<x>([\d.]+)</x>", header)
    columns = np.flatnonzero(phantom.any(axis=0))
    drawn = np.flatnonzero((np.abs(image) > 0.02 * np.abs(image).max()).any(axis=0))
    edges = bool(drawn[0] == 0 or drawn[-1] == image.shape[1] - 1)
    print(
        f"-O {oversampling}: header, along the readout: encoded {fields[0]} samples of {fields[1]} mm, recon {fields[2]} of "
        f"{fields[3]} mm; image {image.shape}, the phantom's columns {columns[0]} to {columns[-1]} of 64, drawn to the edge: {edges}"
    )
    assert [float(number) for number in fields] == [64 * oversampling, 600, 32 * oversampling, 300], "another header now"
    assert image.shape == (64, 32 * oversampling) and edges == (oversampling == 1)
PY
venv/bin/python show.py
