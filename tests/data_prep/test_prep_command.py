"""`rsd-mri prep` and `rsd-mri inspect` as a user runs them: formats, layouts, dry run, resume."""

import json
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
import sigpy
from mrd_files import write_mrd
from typer.testing import CliRunner

from data_prep import PreparedDataset
from rsd_mri.commands.app import app
from rsd_mri.protocol import DataSettings
from rsd_mri.scan import read_scan, write_fastmri
from rsd_mri.scan.arrays import write_cfl
from rsd_mri.simulation import simulate_scan

LINES = np.zeros(56, bool)
LINES[::3] = LINES[18:38] = True


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def prep(source, *options, code=0):
    result = run("prep", source, "--set", "prep.calib_width=16", "--json", *options, code=code)
    return json.loads(result.stdout.splitlines()[-1])


def arrays(path):
    with h5py.File(path) as file:
        return {name: file[name][()] for name in file}, dict(file.attrs)


def coil_images(path):
    """What image and maps say of the physical coils, in the unit of the scan."""
    found = arrays(path)[0]
    return np.einsum("pv,svyx,syx->spyx", found["back"], found["csm"], found["image"])


def made(size=(64, 56), coils=4, slices=2, mask=None, case=0, **settings):
    data = DataSettings(slices=slices, coils=coils, noise=0.005)
    scan, _ = simulate_scan(data, 1, case, size=size, plane="axial", **settings)
    if mask is None:
        return scan
    return replace(scan, kspace=scan.kspace * mask, mask=mask, mask_source="file")


@pytest.mark.long
def test_every_format_prepares_to_the_same(tmp_path):
    scan = made(mask=LINES)
    raw = tmp_path / "raw"
    write_fastmri(raw / "with_noise.h5", scan)
    write_mrd(raw / "mrd_with_noise.mrd", scan)
    silent = replace(scan, noise=None)
    write_fastmri(raw / "fastmri.h5", silent)
    write_mrd(raw / "mrd.h5", silent)
    write_cfl(raw / "bart", scan.kspace)
    np.save(raw / "numpy.npy", scan.kspace)
    out = tmp_path / "raw-prepared"
    found = prep(raw, "--set", "prep.virtual_coils=4")
    assert found["counts"]["volumes_done"] == 6
    reference, attributes = arrays(out / "fastmri.h5")
    np.testing.assert_array_equal(reference["mask"], LINES)
    for name in ("mrd", "bart", "numpy"):
        other, said = arrays(out / f"{name}.h5")
        for key in ("kspace", "csm", "image", "back"):
            np.testing.assert_array_equal(other[key], reference[key])
        assert (said["scale"], said["sigma"]) == (attributes["scale"], attributes["sigma"])
    # With a noise scan the whitening differs, and so do the virtual coils; what they mean does not.
    whitened = coil_images(out / "with_noise.h5")
    np.testing.assert_array_equal(coil_images(out / "mrd_with_noise.h5"), whitened)
    assert np.linalg.norm(coil_images(out / "bart.h5") - whitened) < 0.02 * np.linalg.norm(whitened)


@pytest.mark.long
def test_pictures_and_manifest(tmp_path):
    write_fastmri(tmp_path / "raw" / "a" / "1.h5", made(slices=3))
    out = tmp_path / "out"
    found = prep(tmp_path / "raw", "--out", out)
    (entry,) = found["entries"]
    assert entry["picture"] == "a/1.png"
    picture = out / entry["picture"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    before = picture.stat().st_mtime_ns
    assert prep(tmp_path / "raw", "--out", out)["counts"]["volumes_made_now"] == 0
    assert picture.stat().st_mtime_ns == before
    picture.unlink()
    assert prep(tmp_path / "raw", "--out", out)["counts"]["volumes_made_now"] == 1
    assert picture.is_file()


def test_dry_run_writes_nothing(tmp_path):
    write_fastmri(tmp_path / "raw" / "a.h5", made())
    found = prep(tmp_path / "raw", "--dry-run")
    assert found["counts"]["volumes_missing"] == 1
    assert found["peak_bytes"] > 2 * 4 * 64 * 56 * 8
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]
    assert "MiB" in run("prep", tmp_path / "raw", "--dry-run").stdout


@pytest.mark.long
def test_knee_layout_and_mixed_coil_counts(tmp_path):
    # Twofold readout oversampling, as in fastMRI's 640-wide knees; the header asks for the inner half.
    raw = tmp_path / "raw"
    for name, coils in (("a", 15), ("b", 4), ("c", 1)):
        one = made(size=(64, 56), coils=coils, slices=1, case=name)
        wide = sigpy.resize(sigpy.ifft(one.kspace, axes=(-2,)), (1, coils, 128, 56))
        rng = np.random.default_rng(0)
        noise = rng.standard_normal((*wide.shape, 2)).view(complex)[..., 0] / 2**0.5
        wide = wide + one.noise.std() * noise
        kspace = sigpy.fft(wide, axes=(-2,)).astype(np.complex64)
        write_fastmri(raw / f"{name}.h5", replace(one, kspace=kspace, image_size=(64, 56)))
        # As fastMRI's own files: no noise, and the size of the image only in the header.
        with h5py.File(raw / f"{name}.h5", "r+") as file:
            del file["noise"]
        assert read_scan(raw / f"{name}.h5").size == (128, 56)
    prep(raw, "--set", "mask.acs_lines=16", "--set", "mask.acceleration=2")
    data = PreparedDataset(tmp_path / "raw-prepared")
    assert [shape[-3:] for shape in data.shapes] == [(8, 64, 56), (4, 64, 56), (1, 64, 56)]
    for name in "abc":
        truth = sigpy.ifft(read_scan(raw / f"{name}.h5").kspace, axes=(-2, -1))[:, :, 32:96]
        modelled = coil_images(tmp_path / "raw-prepared" / f"{name}.h5")
        truth, modelled = (np.sqrt((np.abs(x) ** 2).sum(1)) for x in (truth, modelled))
        head = truth > 0.2 * truth.max()  # beside it the root sum of squares is that of the noise
        assert np.linalg.norm((modelled - truth)[head]) < 0.1 * np.linalg.norm(truth[head])


def test_a_brain_test_file_with_a_mask(tmp_path):
    path = write_fastmri(tmp_path / "raw" / "file_brain_test.h5", made(mask=LINES))
    with h5py.File(path, "r+") as file:  # stored as numbers, as fastMRI does
        del file["mask"]
        file["mask"] = LINES.astype(np.float32)
    found = json.loads(run("inspect", path, "--json").stdout.splitlines()[-1])
    assert found["mask"]["lines"] == LINES.sum()
    assert found["mask"]["source"] == "file"
    prep(tmp_path / "raw")
    kept, attributes = arrays(tmp_path / "raw-prepared" / path.name)
    np.testing.assert_array_equal(kept["mask"], LINES)
    assert attributes["realised_acceleration"] == pytest.approx(56 / LINES.sum())
    assert attributes["calib_width"] == 16


@pytest.mark.slow
@pytest.mark.parametrize(("n_slices", "virtual"), [(6, 8), (1, 16)])
def test_peak_memory_stays_below_what_the_dry_run_says(tmp_path, n_slices, virtual):
    # The size of fastMRI's knees; the same slice repeated, as only the memory matters.
    one = made(size=(640, 368), coils=16, slices=1)
    scan = replace(one, kspace=np.concatenate([one.kspace] * n_slices), noise=None, image_size=(320, 368))
    write_fastmri(tmp_path / "raw" / "a.h5", scan)
    options = ["--set", f"prep.virtual_coils={virtual}"]
    said = prep(tmp_path / "raw", "--dry-run", *options)["peak_bytes"]
    code = (
        "import resource, sys; from rsd_mri.commands.app import app\n"
        "try: app()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "prep", str(tmp_path / "raw"), *options]
    peak = 1024 * int(subprocess.run(command, check=True, capture_output=True, text=True).stderr.split()[-1])
    assert peak < said < 3 * peak


@pytest.mark.slow
def test_one_and_two_workers_give_the_same_bits(tmp_path):
    for case in range(3):
        write_fastmri(tmp_path / "raw" / f"{case}.h5", made(case=case, coils=6))
    for workers in (1, 2):
        prep(tmp_path / "raw", "--out", tmp_path / str(workers), "--workers", workers)
    for case in range(3):
        (one, said), (two, other) = (arrays(tmp_path / str(w) / f"{case}.h5") for w in (1, 2))
        assert all(np.array_equal(one[key], two[key]) for key in one)
        assert said["entry"] == other["entry"]
        assert (tmp_path / "1" / f"{case}.png").read_bytes() == (tmp_path / "2" / f"{case}.png").read_bytes()
