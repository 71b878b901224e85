"""What `import rsd_mri as rsd` offers: the same results as the parts it is built from, and pictures of them."""

import re
import subprocess
import sys
from dataclasses import replace

import h5py
import nibabel
import numpy as np
import pydicom
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import rsd_mri as rsd
from rsd_mri.corruption.undersampling import Undersampling
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.metrics.image_quality import nmse, psnr
from rsd_mri.priors import RECONSTRUCTION
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import Inputs, Prior, build_denoiser, save_corruption, save_prior
from rsd_mri.protocol import DistillationSettings, NetworkSettings, Protocol, SamplerSettings
from rsd_mri.reconstruction import full_scans
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.results.figures import write_contact_sheet
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.rsd.sampling import generate_file
from rsd_mri.scan import write_fastmri
from rsd_mri.scan.sampling import fully_sampled_centre
from rsd_mri.scan.scan import Scan

WARNING = "Not for diagnostic use"


@pytest.fixture(scope="module")
def scan():
    return rsd.simulate(2, matrix=48, coils=4, acs_lines=12, slices=2)[0]


@pytest.fixture(scope="module")
def rec(scan):
    return rsd.reconstruct(scan, samples=2, levels=2)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"levels": 8}, "--levels"), ({"sampler": "langevin", "levels": 3}, "--sampler and --levels")],
)
def test_a_classical_method_refuses_what_only_samples_have(scan, options, name):
    with pytest.raises(InputError, match=f"^{name}: method tv draws no samples"):
        rsd.reconstruct(scan, method="tv", **options)
    with pytest.raises(InputError, match="method tv has no prior"):
        rsd.reconstruct(scan, method="tv", prior="run")
    with pytest.raises(InputError, match="method magic: expected one of"):
        rsd.reconstruct(scan, method="magic", **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of untrained networks."""
    folder = tmp_path_factory.mktemp("interface") / "run"
    folder.mkdir()
    protocol = Protocol(
        name="tiny",
        network=NetworkSettings(channels=4, multipliers=(1, 2)),
        sampler=SamplerSettings(steps=2),
        distillation=DistillationSettings(images=8),
    )
    csm = normal((2, 3, 24, 20), generator("maps"))
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    law = Undersampling(protocol.mask, csm, torch.full((2,), 0.01))
    save_corruption(folder, law)
    for kind in ("teacher", "generator"):
        network = build_denoiser(protocol, Inputs.of(law))
        save_prior(folder / f"{kind}.safetensors", kind, network, protocol, Inputs.of(law), Card(slices=2))
    return folder


def test_importing_loads_neither_torch_nor_numpy():
    code = "import sys; import rsd_mri; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(rsd.__all__) <= set(dir(rsd))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        rsd.nothing  # noqa: B018


def test_simulated_scan_reads_back(scan, tmp_path):
    found = rsd.read(write_fastmri(tmp_path / "scan.h5", scan))
    assert isinstance(found, rsd.Scan)
    np.testing.assert_array_equal(found.kspace, scan.kspace)
    np.testing.assert_array_equal(found.mask, scan.mask)


def test_a_full_scan_is_its_image(tmp_path):
    """Without noise, the root sum of squares of the coil images is the truth."""
    full, truth = rsd.simulate(None, matrix=48, coils=4, noise=0.0, slices=1)
    assert full.realised_acceleration == 1
    image = rsd.reconstruct(full, method="zero-filled").magnitude
    assert np.linalg.norm(image - np.abs(truth)) < 0.05 * np.linalg.norm(truth)


def test_reconstruct_is_reconstruct_scan(scan, tmp_path):
    path = write_fastmri(tmp_path / "scan.h5", scan)
    shares = []
    by_file = rsd.reconstruct(path, method="cg-sense", progress=shares.append)
    direct = reconstruct_scan(rsd.read(path), CLASSICAL["cg-sense"])
    np.testing.assert_array_equal(by_file.magnitude, direct.magnitude)
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)


def test_posterior_is_the_default_under_the_package_prior(rec):
    assert rec.method == "posterior" and rec.samples.shape == (2, 2, 48, 48)
    assert rec.prior.path == str(RECONSTRUCTION / "denoiser.safetensors")
    assert rec.prior.sha256 == rsd.load_prior().sha256


def test_picture_has_how_far_it_may_be_off_beside_the_image(scan, rec):
    off = rec.std if rec.half_width is None else rec.half_width
    panels = [axis.images[0].get_array() for axis in rec.show().axes]
    assert len(panels) == 4
    for panel, truth in zip(panels, (*rec.magnitude, *off), strict=True):
        np.testing.assert_array_equal(panel, truth)
    classical = rsd.reconstruct(scan, method="zero-filled")
    assert len(classical.show([1]).axes) == 1
    assert classical.show()._repr_png_().startswith(b"\x89PNG")
    for slices in ([2], []):
        with pytest.raises(InputError, match="from 0 to 1"):
            classical.show(slices)


@pytest.mark.parametrize("name", ["a.h5", "a.nii.gz", "a.png", "a.html", "dicom"])
def test_save_by_ending(rec, tmp_path, name):
    files = rec.save(tmp_path / name)
    assert files and all(f.is_file() and f.is_relative_to(tmp_path) for f in files)
    if name == "dicom":
        file = pydicom.dcmread(tmp_path / "dicom" / "magnitude" / f"{rec.source.stem}_0002.dcm")
        real = file.RealWorldValueMappingSequence[0]
        values = file.pixel_array * real.RealWorldValueSlope + real.RealWorldValueIntercept
        np.testing.assert_allclose(values, rec.magnitude[1], atol=rec.samples.max() / 4000)
        return
    assert files[0] == tmp_path / name
    if name == "a.h5":
        again = rsd.load_reconstruction(files[0])
        np.testing.assert_array_equal(again.std, rec.std)
        assert again.notes == rec.notes and len(again.show().axes) == 4
        with h5py.File(files[0]) as file:
            assert file.attrs["not_for_diagnostic_use"]
    elif name == "a.nii.gz":
        np.testing.assert_array_equal(nibabel.load(files[0]).get_fdata().T, rec.magnitude)
        kinds = ("", "_phase", "_std", "_half_width", "_samples")
        assert {f.name for f in files} == {f"a{kind}.nii.gz" for kind in kinds}
        assert not (tmp_path / "a_magnitude.nii.gz").exists()
    elif name == "a.png":
        with Image.open(files[0]) as sheet:
            assert sheet.size[0] > 2 * 48
    else:
        assert WARNING in files[0].read_text()


def test_displays_say_what_they_are(scan, rec):
    for thing, facts in (
        (scan, ("4 coils", "2-D" if scan.mask.ndim == 2 else "lines", "acceleration")),
        (rec, ("Posterior", "Data residual", "Voxel", "<figcaption>slice 1<")),
        (rsd.load_prior(), ("denoiser of whole images", "acceleration", "SHA-256")),
    ):
        text = thing._repr_html_()
        assert WARNING in text and all(re.search(fact, text, re.I) for fact in facts)
        assert len(repr(thing)) < 120
    assert "<script" not in replace(scan, notes=("<script>",))._repr_html_()


@pytest.mark.parametrize(("matrix", "centre"), [(128, 20), (96, 20), (64, 8), (16, 2)])
def test_a_simulated_scan_has_a_centre_that_fits(matrix, centre):
    scan, _ = rsd.simulate(4, matrix=matrix, coils=1)
    assert scan.mask.sum() == matrix // 4
    middle = scan.mask[matrix // 2 - centre // 2 :][:centre]
    assert middle.all() and fully_sampled_centre(scan.mask, scan.size)[1] >= centre


@pytest.mark.parametrize("network", ["generator", "teacher"])
def test_generate_gives_what_the_command_writes(run, tmp_path, network):
    generate_file(run, 3, network, tmp_path / "g.h5", 3, 0.0, "cpu", 5, SILENT, write_contact_sheet)
    with h5py.File(tmp_path / "g.h5") as file:
        expected = file["images"][()]
    made = rsd.generate(run, 3, network=network, seed=5, batch=2, device="cpu")
    rounding = 1e-3 * np.abs(expected).max()
    np.testing.assert_allclose(made.images, expected, atol=rounding)
    assert len(made) == 3 and made.prior.kind == network
    np.testing.assert_allclose(made.pictures, np.abs(expected), atol=rounding)
    assert made.show().size[0] > 2 * 20


def test_a_teacher_is_sampled_as_it_is_asked(run, tmp_path):
    options = {"network": "teacher", "seed": 5, "device": "cpu"}
    out = tmp_path / "g.h5"
    generate_file(run, 3, "teacher", out, 3, 0.0, "cpu", 5, SILENT, write_contact_sheet, solver="multistep", steps=40)
    with h5py.File(out) as file:
        images, said = file["images"][()], dict(file.attrs)
    assert (said["network_calls"], said["solver"]) == (40, "multistep")
    near = rsd.generate(run, 3, **options, solver="multistep", steps=40).images
    np.testing.assert_allclose(near, images, atol=1e-3 * np.abs(images).max())
    other = rsd.generate(run, 3, **options, solver="heun", steps=40).images
    assert 0 < np.linalg.norm(other - images) < 0.05 * np.linalg.norm(images)  # the same flow
    for refused, sentence in (
        ({"network": "generator", "steps": 4}, "makes an image in one call"),
        ({"network": "teacher", "solver": "euler"}, "solver euler: expected one of heun, multistep"),
        ({"network": "teacher", "steps": 0}, "steps 0: expected at least 1"),
    ):
        with pytest.raises(InputError, match=sentence):
            rsd.generate(run, 3, **refused)


def test_generated_images_are_written_with_their_picture_or_not_at_all(run, tmp_path):
    def full(path, _):
        raise InputError(f"{path}: the disk is full")

    with pytest.raises(InputError, match=r"g\.png: the disk is full"):
        generate_file(run, 3, "generator", tmp_path / "g.h5", 3, 0.0, "cpu", 5, SILENT, full)
    assert not list(tmp_path.iterdir())


def test_a_guided_teacher_gives_what_the_command_writes(run, tmp_path):
    options = {"network": "teacher", "seed": 5, "device": "cpu"}
    plain, same, other = (
        rsd.generate(run, 3, **options, **one)
        for one in ({}, {"guide": run, "autoguidance": 2.0}, {"guide": rsd.load_prior(run, "teacher")})
    )
    rounding = 1e-3 * plain.pictures.max()
    np.testing.assert_allclose(same.images, plain.images, atol=rounding)  # by itself it is not moved
    np.testing.assert_allclose(other.images, plain.images, atol=rounding)
    spoiled = {k: 1.1 * v for k, v in load_file(run / "teacher.safetensors").items()}
    with safe_open(run / "teacher.safetensors", "pt") as file:
        save_file(spoiled, tmp_path / "worse.safetensors", file.metadata())
    made = rsd.generate(run, 3, **options, guide=tmp_path / "worse.safetensors", autoguidance=0.5)
    assert np.abs(made.images - plain.images).max() > rounding
    generate_file(
        run,
        3,
        "teacher",
        tmp_path / "g.h5",
        3,
        0.0,
        "cpu",
        5,
        SILENT,
        write_contact_sheet,
        tmp_path / "worse.safetensors",
        0.5,
    )
    with h5py.File(tmp_path / "g.h5") as file:
        np.testing.assert_allclose(made.images, file["images"][()], atol=rounding)
        assert file.attrs["autoguidance"] == 0.5
    with pytest.raises(InputError, match="a generator, which nothing guides"):
        rsd.generate(run, 1, network="generator", guide=run, device="cpu")
    with pytest.raises(InputError, match="is the weight of a guide, and there is none"):
        rsd.generate(run, 1, network="teacher", autoguidance=2.0, device="cpu")


def test_generate_takes_the_generator_of_a_run(run):
    assert rsd.generate(rsd.load_prior(run, "teacher"), 1, device="cpu").prior.kind == "generator"


def test_a_prior_serves_by_value_and_by_folder(scan, run):
    by_value = rsd.reconstruct(scan, 1, prior=rsd.load_prior(run), levels=1)
    by_folder = rsd.reconstruct(scan, 1, prior=run, levels=1)
    np.testing.assert_array_equal(by_value.samples, by_folder.samples)


def test_the_package_generates_heads():
    made = rsd.generate(count=8, device="cpu").images
    assert made.shape == (8, 64, 64)
    magnitude = np.abs(made)
    corners = np.stack([magnitude[:, y, x] for y in (slice(8), slice(-8, None)) for x in (slice(8), slice(-8, None))])
    assert magnitude[:, 24:40, 24:40].mean() > 5 * corners.mean()
    assert np.abs(made[0] - made[1]).mean() > 0.02


def test_there_is_one_class_each():
    """What the parts make and what the interface gives are of one class."""
    assert rsd.Scan is Scan and rsd.Reconstruction is Reconstruction and rsd.Prior is Prior
    assert all(hasattr(rsd, name) for name in rsd.__all__)


def test_a_prepared_scan_serves_every_method(scan):
    ready = rsd.prepare(scan)
    assert len(ready) == 2
    for method in ("zero-filled", "cg-sense"):
        found = rsd.reconstruct(ready, method=method).magnitude
        np.testing.assert_array_equal(found, rsd.reconstruct(scan, method=method).magnitude)


def test_quality_of_an_image_is_fastmris(scan):
    full, truth = rsd.simulate(None, matrix=48, coils=4, noise=0.0, slices=2)
    rec = rsd.reconstruct(scan, method="cg-sense")
    found = rsd.evaluate(rec, truth)
    assert found.psnr == pytest.approx(psnr(np.abs(truth), rec.magnitude), rel=1e-5)
    assert found.nmse == pytest.approx(nmse(np.abs(truth), rec.magnitude), rel=1e-5)
    assert found.rank_correlation is None and found.covered is None
    assert rsd.evaluate(truth, full).nmse < 1e-6  # the full scan's own image
    with pytest.raises(InputError, match="the truth"):
        rsd.evaluate(rec, truth[:1])


def test_calibrated_half_widths_cover_what_they_say(run, tmp_path):
    scans = [rsd.simulate(None, matrix=32, coils=4, acs_lines=8, seed=s)[0] for s in range(4)]
    found = rsd.calibrate(scans, 2, run, samples=2, levels=1, coverage=0.9, held_out=False)
    assert found.images == 4 and found.samples == 2
    rec = rsd.reconstruct(
        full_scans.undersampled(scans[0], 2, 0), 2, prior=run, levels=1, calibration=found, held_out=False
    )
    assert rsd.evaluate(rec, scans[0]).covered > 0.8


def test_to_image_and_back(scan):
    image = rsd.to_image(scan.kspace[0])
    assert np.abs(rsd.to_kspace(image) - scan.kspace[0]).max() < 1e-4 * np.abs(scan.kspace).max()
    n = scan.kspace.shape[-1]
    flat = np.zeros((n, n), np.complex64)
    flat[n // 2, n // 2] = n
    np.testing.assert_allclose(rsd.to_image(flat), np.ones((n, n)), atol=1e-5)


@pytest.mark.long
def test_prepare_train_and_look_at_what_is_seen(tmp_path):
    for number in range(2):
        scan = rsd.simulate(2, matrix=24, coils=3, slices=2, acs_lines=8, seed=number)[0]
        scan.save(tmp_path / "raw" / f"{number}.h5")
    prepared = rsd.prepare(tmp_path / "raw")
    assert prepared.counts["slices_done"] == 4
    small = {"network.channels": 4, "network.multipliers": [1, 2], "teacher.images": 4, "teacher.batch": 2}
    views = rsd.training_views(prepared.out, "demo", 3, small)
    for view in views:
        assert view.image.shape == view.measured.shape == (24, 24)
        assert not (view.shown & ~view.measured).any() and view.shown.sum() < view.measured.sum()
    shares = []
    done = rsd.train("demo", tmp_path / "run", prepared.out, stage="teacher", settings=small, progress=shares.append)
    assert done.images == {"teacher": 4} and shares[-1] == 1
    assert rsd.generate(tmp_path / "run", 2).prior.kind == "teacher"
    with pytest.raises(InputError, match="expected one of teacher"):
        rsd.train("demo", tmp_path / "run", stage="student")


def test_linear_theory_as_it_is_known():
    """With matched noise the student has the clean images' covariance; without, it is inflated by the noise."""
    assert rsd.distil_linear(d=8, r=2, k=2, sigma=0.5).eigenvalues == pytest.approx([1, 1], abs=1e-3)
    inflated = rsd.distil_linear(d=8, r=2, k=2, sigma=0.5, matched=False)
    assert inflated.eigenvalues == pytest.approx([1.25, 1.25], abs=1e-3)
    assert max(inflated.angles) < 1


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda scan, rec, tmp: rsd.read(tmp / "none.h5"), "no such file"),
        (lambda scan, rec, tmp: rsd.load_prior(tmp / "none"), "none"),
        (lambda scan, rec, tmp: rsd.load_reconstruction(tmp / "none.h5"), "no such reconstruction"),
        (lambda scan, rec, tmp: rsd.load_prior(RECONSTRUCTION, "generator"), "has no generator"),
        (lambda scan, rec, tmp: rsd.generate(rsd.load_prior(), 2), "rsd-mri train"),
        (lambda scan, rec, tmp: rsd.generate(rsd.load_prior(), 2), "this prior has no coil maps to generate with"),
        (lambda scan, rec, tmp: rsd.generate(rsd.load_prior(), 2), "or none for the package's generator"),
        (lambda scan, rec, tmp: rsd.simulate(4, matrix=64, acs_lines=20), "lower acs_lines or acceleration"),
        (lambda scan, rec, tmp: rsd.simulate(0.5), "acceleration: expected at least 1"),
        (lambda scan, rec, tmp: rsd.simulate(4, matrix=64.5), "matrix: expected"),
        (lambda scan, rec, tmp: rsd.simulate(4, contrast="t1"), "contrast t1: expected one of T1, T2"),
        (lambda scan, rec, tmp: rsd.simulate(4, plane="oblique"), "plane oblique: expected one of axial"),
        (lambda scan, rec, tmp: rsd.generate(rsd.load_prior(), 2, network="student"), "generator or teacher"),
        (lambda scan, rec, tmp: rsd.generate(rsd.load_prior(), 0), "at least 1"),
        (lambda scan, rec, tmp: rsd.reconstruct(scan, method="magic"), "l1-wavelet"),
        (lambda scan, rec, tmp: rsd.reconstruct(scan, sampler="magic"), "annealing"),
        (lambda scan, rec, tmp: rsd.reconstruct(scan, 0), "at least 1"),
        (lambda scan, rec, tmp: rsd.reconstruct(scan, prior=tmp / "none"), "no such run folder"),
        (lambda scan, rec, tmp: rsd.reconstruct(scan, device="abacus"), "not available"),
        (lambda scan, rec, tmp: rec.save(tmp / "out.jpg"), "none for a folder (dicom)"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(scan, rec, tmp_path, act, says):
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        act(scan, rec, tmp_path)
    assert not re.search(r"mask\.|Settings", str(caught.value)), "the settings behind the arguments"
