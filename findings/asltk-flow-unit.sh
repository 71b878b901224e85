#!/usr/bin/env bash
# asltk 1.1.3 (arterial spin labelling): `cbf_norm` of `CBFMapping` is said to be blood flow in mL/100 g/min; it is 0.6 of that. Its model has flow in mL per g (of
# tissue) and ms, which times 60 x 1000 ms and 100 g is 6e6; what it is multiplied by is 60 x 60 x 1000. Data without noise of 60 mL/100 g/min, integrated label by
# label, give 36, and the same transit time; the formula of the consensus for one delay gives 58 of data with no transit. `MultiTE_ASLMapping`, `MultiDW_ASLMapping` and
# `UltraLongTE_ASLMapping` hand on the same number. (A stand-in for pybids, which reads folders and is not used here.)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==1.26.4" "scipy==1.15.3" "SimpleITK==2.5.2" "rich==13.9.4" "dill==0.3.9"
venv/bin/pip install -q --no-compile --no-deps "asltk==1.1.3"
export OMP_NUM_THREADS=1
cat > bids.py <<'PY'
class BIDSLayout:
    """Not used: no folder is read."""
PY
cat > show.py <<'PY'
import logging
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from io import StringIO

import numpy as np
import SimpleITK

from asltk.asldata import ASLData
from asltk.reconstruction import CBFMapping

FLOW, TRANSIT, LABEL, T1, EFFICIENCY, PARTITION, M0 = 60.0, 1000.0, 1800.0, 1650.0, 0.85, 0.98, 1000.0
DELAYS = [200.0, 500.0, 1000.0, 1500.0, 1800.0, 2500.0]


def difference(delay, transit=TRANSIT):
    """Control minus label: all that was labelled and has arrived, decayed in the blood, then in tissue and outflow."""
    flow = FLOW / 100 / 60 / 1000  # mL per g and ms
    end = LABEL + delay
    arrival = np.linspace(transit, min(end, transit + LABEL), 100_001)
    rate = 1 / T1 + flow / PARTITION
    return 2 * EFFICIENCY * M0 * flow * np.exp(-transit / T1) * np.trapz(np.exp(-(end - arrival) * rate), arrival)


def main():
    print("asltk", version("asltk"))
    logging.disable(logging.CRITICAL)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.full((2, 2, 2), M0)), "m0.nii.gz")
    signal = np.array([difference(delay) for delay in DELAYS])
    images = np.broadcast_to(signal[None, :, None, None, None], (1, len(DELAYS), 2, 2, 2)).copy()
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        data = ASLData(pcasl=images, m0="m0.nii.gz", ld_values=[LABEL] * len(DELAYS), pld_values=DELAYS)
        maps = {name: image.get_as_numpy().mean() for name, image in CBFMapping(data).create_map(cores=1).items()}
    one = difference(1800.0, 0.0) * np.exp(1800.0 / T1) / (2 * EFFICIENCY * T1 / 1000 * M0 * (1 - np.exp(-LABEL / T1))) * 6000
    print(f"flow of {FLOW:.0f} mL/100 g/min, transit {TRANSIT:.0f} ms: cbf {maps['cbf']:.3g}, cbf_norm {maps['cbf_norm']:.2f}, att {maps['att']:.0f} ms")
    print(f"cbf, mL/g/ms, in mL/100 g/min: {maps['cbf'] * 100 * 60 * 1000:.2f}; formula of the consensus, one delay, M0 of blood: {one:.1f}")
    assert np.isclose(maps["cbf"] * 6e6, FLOW, rtol=1e-3) and np.isclose(maps["att"], TRANSIT, rtol=1e-3) and abs(one / FLOW - 1) < 0.05
    assert "mL/100g/min" in CBFMapping.create_map.__doc__ and np.isclose(maps["cbf_norm"], 0.6 * FLOW, rtol=1e-3), "it is mL/100 g/min now"


if __name__ == "__main__":
    main()
PY
venv/bin/python -W ignore show.py
