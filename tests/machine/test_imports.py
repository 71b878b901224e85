"""What the commands load before they begin: the libraries that take seconds only where they are used."""

import subprocess
import sys

import pytest

from rsd_mri.simulation import simulate_folder

TRAINING = {"lightning_fabric", "torchmetrics", "torchvision", "torch._dynamo"}
HEAVY = TRAINING | {
    "scipy",
    "matplotlib",
    "nibabel",
    "numba",
    "skimage",
    "sklearn",
    "pydicom",
    "sigpy",
    "fastmri",
    "nilearn",
    "rich",
    "PIL",
    "dask",
}
PROGRAM = """
import sys
from rsd_mri.commands.app import app
code = app(sys.argv[2:], standalone_mode=False)
loaded = sorted(set(sys.argv[1].split(",")) & set(sys.modules))
sys.exit(f"loaded {loaded}" if loaded or code else 0)
"""


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    return simulate_folder(tmp_path_factory.mktemp("scan"), 1, 1, 32, 4, acceleration=2.0)[0]


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        pytest.param(["recon", "{scan}", "--method", "zero-filled"], HEAVY | {"pywt"}, marks=pytest.mark.long),
        pytest.param(
            ["recon", "{scan}", "--method", "one-step"], HEAVY - {"numba", "scipy"} | {"pywt"}, marks=pytest.mark.long
        ),
        (["inspect", "{scan}"], HEAVY | {"torch"}),
        pytest.param(
            ["generate", "-n", "1", "--out", "{folder}/g.h5"],
            TRAINING | {"matplotlib", "nibabel", "skimage"},
            marks=pytest.mark.long,
        ),
    ],
    ids=["zero-filled", "one-step", "inspect", "generate"],
)
def test_commands_load_only_what_they_use(scan, tmp_path, arguments, unwanted):
    given = [a.format(scan=scan, folder=tmp_path) for a in arguments]
    if given[0] == "recon":
        given += ["--out", str(tmp_path)]
    call = [sys.executable, "-c", PROGRAM, ",".join(sorted(unwanted)), *given]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_calibration_restoration_and_the_python_face_load_no_training():
    code = (
        "import sys; import rsd_mri.reconstruction.calibration, rsd_mri.reconstruction.pictures, rsd_mri.api; "
        f"sys.exit(len({TRAINING!r} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
