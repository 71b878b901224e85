#!/usr/bin/env bash
# brkraw 0.5.7, Bruker ParaVision to NIfTI, and 2-D images of several slices. Slices with a gap lie too far apart: PVM_SPackArrSliceDistance goes from centre
# to centre, and brkraw adds the gap once more; of slices of 1 mm every 1.5 mm the fifth is 2 mm beside its place. Where the positions of the slices run
# against the normal of their orientation, and the slices are not coronal, the volume is mirrored: it begins at the least position and the data stay as they
# are; where they run along it, and are coronal, likewise. Of the scale, VisuCoreDataSlope, which has a value for every frame, the first is
# taken for all: of five frames with slopes of 1 to 5 the last has a fifth of its value. None of it is said. The positions of the slices and the slopes of
# the frames stand in visu_pars, and brukerapi 0.4.6 has each as it stands there.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "brkraw==0.5.7" "brukerapi==0.4.6" "numpy==2.2.6" "nibabel==5.4.2"
cat > show.py <<'PY'
import logging
import warnings
from importlib.metadata import version
from pathlib import Path

import brkraw
import nibabel as nib
import numpy as np
from brukerapi.dataset import Dataset

warnings.simplefilter("error")
said = []
watch = logging.Handler(logging.WARNING)
watch.emit = lambda record: said.append(record.getMessage())
logging.getLogger("brkraw").addHandler(watch)
SLICES, COLUMNS, ROWS = 5, 8, 6
AXIAL = np.eye(3)
CORONAL = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""Rows are the directions of the image's x, y and normal in the patient's coordinates (left, back, head)."""


def parameters(values):
    """A parameter file of ParaVision; arrays with their sizes."""
    lines = ["##TITLE=Parameter List, ParaVision 6.0.1", "##JCAMPDX=4.24", "##DATATYPE=Parameter Values", "##OWNER=nmr"]
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            sizes = ", ".join(map(str, value.shape))
            value = f"( {sizes} )\n" + "\n".join(" ".join(f"{one:.9g}" for one in np.atleast_1d(row)) + " " for row in value)
        lines.append(f"##${name}={value}")
    return "\n".join([*lines, "##END=", ""])


def study(folder, plane, name, gap=0.0, slopes=(1.0,) * SLICES, order=1):
    """Slices of 1 mm, the n-th of stored value 100 n; returns their positions (slice, 3) and values."""
    scan, made = folder / "1", folder / "1/pdata/1"
    made.mkdir(parents=True)
    distance = 1 + gap
    positions = np.array([[-8.0, -6, 3] + order * index * distance * plane[2] for index in range(SLICES)])
    stored = 100 * np.arange(1, SLICES + 1)
    (folder / "subject").write_text(parameters({"SUBJECT_id": "( 60 )\n<phantom>"}))
    (scan / "acqp").write_text(parameters({"ACQ_dim": 2, "BYTORDA": "little", "ACQ_word_size": "_32_BIT", "ACQ_scaling_phase": 1, "NI": SLICES, "NR": 1}))
    slices = {"PVM_NSPacks": 1, "PVM_SPackArrNSlices": np.array([SLICES]), "PVM_SPackArrSliceOrient": f"( 1 )\n{name}"}
    spacing = {"PVM_SliceThick": 1, "PVM_SPackArrSliceGap": np.array([gap]), "PVM_SPackArrSliceDistance": np.array([distance])}
    (scan / "method").write_text(parameters({"Method": "<Bruker:FLASH>", "PVM_SpatDimEnum": "2D", **slices, **spacing}))
    (made / "reco").write_text(parameters({"RECO_wordtype": "_16BIT_SGN_INT", "RECO_byte_order": "littleEndian"}))
    visu = {
        "VisuVersion": 3,
        "VisuCreator": "( 65 )\n<ParaVision>",
        "VisuCreatorVersion": "( 65 )\n<6.0.1>",
        "VisuCoreFrameCount": SLICES,
        "VisuCoreDim": 2,
        "VisuCoreSize": np.array([COLUMNS, ROWS]),
        "VisuCoreDimDesc": "( 2 )\nspatial spatial",
        "VisuCoreExtent": np.array([2.0 * COLUMNS, 2.0 * ROWS]),
        "VisuCoreFrameThickness": np.array([1.0]),
        "VisuCoreOrientation": np.tile(plane.ravel(), (SLICES, 1)),
        "VisuCorePosition": positions,
        "VisuCoreDataOffs": np.zeros(SLICES),
        "VisuCoreDataSlope": np.array(slopes),
        "VisuCoreFrameType": "MAGNITUDE_IMAGE",
        "VisuCoreWordType": "_16BIT_SGN_INT",
        "VisuCoreByteOrder": "littleEndian",
        "VisuFGOrderDescDim": 1,
        "VisuFGOrderDesc": f"( 1 )\n({SLICES}, <FG_SLICE>, <>, 0, 0)",
        "VisuCoreSlicePacksSlices": f"( 1 )\n(0, {SLICES})",
        "VisuCoreSlicePacksSliceDist": np.array([distance]),
        "VisuSubjectPosition": "Head_Supine",
        "VisuSubjectType": "Biped",
    }
    (made / "visu_pars").write_text(parameters(visu))
    np.repeat(stored, ROWS * COLUMNS).astype("<i2").tofile(made / "2dseq")
    return positions, stored * np.array(slopes)


def seen(folder):
    """The place of each slice's first voxel (left, back, head) and its value, by brkraw's NIfTI and by brukerapi."""
    image = brkraw.load(folder).convert(1, 1)
    image.to_filename(folder / "image.nii")
    image = nib.load(folder / "image.nii")
    other = Dataset(folder / "1/pdata/1/2dseq")
    found = {}
    for tool, affine, array in (
        ("brkraw", np.diag([-1, -1, 1, 1]) @ image.affine, np.asarray(image.dataobj)),
        ("brukerapi", other.affine, other.data),
    ):
        places = np.array([(affine @ [0, 0, index, 1])[:3] for index in range(SLICES)])
        found[tool] = places, array[0, 0, :]
    return found


print("brkraw", version("brkraw"), "brukerapi", version("brukerapi"))
cases = {
    "axial slices side by side": (AXIAL, "axial", {}),
    "axial slices with a gap of 0.5 mm": (AXIAL, "axial", {"gap": 0.5}),
    "axial slices against their normal": (AXIAL, "axial", {"order": -1}),
    "coronal slices along their normal": (CORONAL, "coronal", {}),
    "coronal slices against their normal": (CORONAL, "coronal", {"order": -1}),
    "axial slices with slopes 1 to 5": (AXIAL, "axial", {"slopes": (1.0, 2.0, 3.0, 4.0, 5.0)}),
}
beside, off = {}, {}
for number, (what, (plane, name, changed)) in enumerate(cases.items()):
    folder = Path(f"study{number}")
    positions, values = study(folder, plane, name, **changed)
    for tool, (places, found) in seen(folder).items():
        distance = np.linalg.norm(places - positions, axis=1)
        print(f"{what}, {tool}: mm beside the place {distance.round(2).tolist()}, values {found.tolist()} of {values.tolist()}")
        if tool == "brukerapi":
            assert np.allclose(distance, 0, atol=1e-5) and np.allclose(found, values)
        else:
            beside[what], off[what] = distance.round(3).tolist(), (found / values).round(3).tolist()
right = [0.0] * SLICES
turned = [4.0, 2.0, 0.0, 2.0, 4.0]
assert list(beside.values()) == [right, [0, 0.5, 1, 1.5, 2], turned, turned, right, right], "slices lie elsewhere now"
assert off.pop("axial slices with slopes 1 to 5") == [1, 0.5, 0.333, 0.25, 0.2], "frames have their own slopes now"
assert all(one == [1.0] * SLICES for one in off.values())
assert not said, said
PY
venv/bin/python show.py
