#!/usr/bin/env bash
# BART 0.8.00 (Debian 12): `epg` and `signal` take a flip angle and an echo time (-f, -e) in every mode, and leave them out in several. `epg -C`, an
# echo train, has refocusing pulses of 180 degrees whatever -f is: of 120 and 60 degrees it gives the plain decay by T2, where the
# first echo is 0.75 and 0.25 of it. `epg -S`, spin echo, plays two pulses of that angle, with the echo after twice -e: of 180 degrees there is none.
# `-e` does nothing in `epg -F` and `epg -B`: the first is the signal right after the pulse, the second that in the middle of TR. `signal -F`
# has no sine of the flip angle, no echo time, and a steady state for small angles: of 5 and 30 degrees the first is 17 times the second,
# where the closed form has 2.7. Nothing is said. The first (n - 1) / 2 echoes of `epg -H` are those of the train that was asked for.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "bart=0.8.00-3" libblas3 liblapack3 liblapacke libtmglib3 libfftw3-single3 \
    libpng16-16 libgomp1 libgfortran5 libquadmath0 > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q "numpy==2.2.6" > pip.log
cat > show.py <<'PY'
import os
import subprocess
from pathlib import Path

import numpy as np

libraries = "root/usr/lib/x86_64-linux-gnu"
environment = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "LD_LIBRARY_PATH": ":".join(f"{Path(libraries, part).resolve()}" for part in ("", "blas", "lapack")),
}


def get(name):
    sizes = [int(size) for size in Path(f"{name}.hdr").read_text().splitlines()[1].split()]
    return np.fromfile(f"{name}.cfl", np.complex64).reshape(sizes, order="F").squeeze()


def bart(*arguments):
    command = ["root/usr/bin/bart", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


t1, t2 = 1000.0, 100.0
tissue = ("-1", t1, "-2", t2)


def epg(*arguments):
    bart("epg", *tissue, *arguments, "out")
    return np.abs(get("out"))


def train(flip, spacing, echoes, spins=4001):
    """Echoes after 90 degrees and refocusing pulses of `flip` degrees about the axis of the magnetisation, by Bloch rotations of spins
    that dephase evenly by a turn per half spacing."""
    angle = np.radians(flip)
    decay, recovery = np.exp(-spacing / 2 / t2), np.exp(-spacing / 2 / t1)
    turn = np.exp(2j * np.pi * np.arange(spins) / spins)
    across, along = np.ones(spins, complex), np.zeros(spins)
    found = []
    for _ in range(echoes):
        across, along = across * turn * decay, 1 + (along - 1) * recovery
        across, along = (
            across.real + 1j * (across.imag * np.cos(angle) - along * np.sin(angle)),
            across.imag * np.sin(angle) + along * np.cos(angle),
        )
        across, along = across * turn * decay, 1 + (along - 1) * recovery
        found.append(abs(across.mean()))
    return np.array(found)


print("BART", bart("version").strip())
echoes = 5
for flip in (180, 120, 60):
    expected, found = train(flip, 10.0, echoes), epg("-C", "-e", 10, "-f", flip, "-n", echoes)
    hyper = epg("-H", "-e", 10, "-f", flip, "-n", 2 * echoes + 1)[:echoes]
    print(f"refocusing of {flip} degrees: epg -C {found.round(3)}, Bloch {expected.round(3)}, the first half of epg -H {hyper.round(3)}")
    assert np.allclose(found, np.exp(-10.0 * np.arange(1, echoes + 1) / t2), atol=1e-4), "epg -C takes the flip angle now"
    assert np.allclose(hyper, expected, atol=1e-3)
for flip in (90, 120, 180):
    angle = np.radians(flip)
    found, hahn = float(epg("-S", "-e", 10, "-r", 5000, "-f", flip, "-n", 1)), np.sin(angle) * np.sin(angle / 2) ** 2
    print(
        f"one spin echo, epg -S -f {flip} -e 10: {found:.3f}; two pulses of {flip} degrees and an echo after 20 {hahn * np.exp(-20 / t2):.3f}, "
        f"after 90 degrees and an echo after 10 {np.sin(angle / 2) ** 2 * np.exp(-10 / t2):.3f}"
    )
    assert abs(found - hahn * np.exp(-20 / t2)) < 1e-3, "epg -S has other pulses now"

repetition = 5.0
e1, e2 = np.exp(-repetition / t1), np.exp(-repetition / t2)


def spoiled(flip):
    """The closed form of the steady state right after the pulse."""
    angle = np.radians(flip)
    return np.sin(angle) * (1 - e1) / (1 - np.cos(angle) * e1)


def balanced(flip):
    angle = np.radians(flip)
    return np.sin(angle) * (1 - e1) / (1 - (e1 - e2) * np.cos(angle) - e1 * e2)


for mode, flip, steady in (("-F", 8, spoiled(8)), ("-B", 45, balanced(45))):
    for echo in (0.5, 2.5, 4.5):
        found = epg(mode, "-s", 0, "-r", repetition, "-e", echo, "-f", flip, "-n", 3000)[-1]
        print(f"epg {mode} -f {flip} -e {echo}: {found:.4f}, the closed form at this echo time {steady * np.exp(-echo / t2):.4f}")
        assert abs(found - steady * (1 if mode == "-F" else np.sqrt(e2))) < 1e-4, "epg takes the echo time now"

found = {}
for flip in (5, 30, 60):
    for echo in (0.0005, 0.0045):
        bart("signal", "-F", "-r", 0.005, "-e", echo, "-f", flip, "-1", "1:1:1", "-2", "0.1:0.1:1", "-n", 4000, "out")
        found[flip, echo] = get("out").real[-1]
    relaxing = repetition / t1 / (repetition / t1 - np.log(np.cos(np.radians(flip))))
    print(
        f"signal -F -f {flip}: {found[flip, 0.0005]:.4f}, and {found[flip, 0.0045]:.4f} 4 ms later; the closed form after the pulse is "
        f"{spoiled(flip):.4f}, without the sine {spoiled(flip) / np.sin(np.radians(flip)):.4f}"
    )
    assert found[flip, 0.0005] == found[flip, 0.0045] and abs(found[flip, 0.0005] - relaxing) < 1e-4, "signal -F has another signal now"
print(f"5 to 30 degrees: {found[5, 0.0005] / found[30, 0.0005]:.1f}, closed form {spoiled(5) / spoiled(30):.1f}")
PY
venv/bin/python show.py
