"""Simulated scans: what they promise, checked against closed forms, sigpy and the files they are written to."""

import numpy as np
import pytest
import sigpy.mri.app
import torch
from adjointness import assert_adjoint

from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import fft2c, ifft2c, sense_operator
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.scan import read_scan
from rsd_mri.simulation import draw_head, simulate_folder, simulate_scan, simulate_slice
from rsd_mri.simulation.contrast import TISSUES, SpinEcho, draw_signals
from rsd_mri.simulation.fields import smooth_fields
from rsd_mri.simulation.receive import CoilArray, draw_coils
from rsd_mri.simulation.simulate import voxel_size

SMALL = DataSettings(slices=2, matrix=32, coils=4, noise=0.01)


def rss(kspace):
    return np.sqrt((np.abs(ifft2c(torch.from_numpy(kspace)).numpy()) ** 2).sum(1))


def test_kspace_is_the_sense_model_of_image_and_maps():
    head = draw_head(0, 0, 2, 5)
    kspace, csm, image = simulate_slice(head, 1, (40, 36))
    full = sense_operator(csm[None], torch.ones(36, dtype=torch.bool))
    assert torch.allclose(full(image[None])[0], kspace, atol=1e-5)
    # The maps are of unit norm, so the image comes back.
    assert torch.allclose(csm.abs().square().sum(0), torch.ones(40, 36), atol=1e-5)
    assert torch.allclose(full.H(kspace[None])[0], image, atol=1e-5)
    assert_adjoint(full, (1, 40, 36), (1, 5, 40, 36), torch.complex64)


@pytest.mark.parametrize("size", [(32, 32), (33, 31), (24, 40)])
def test_any_size_and_what_the_scan_says(size):
    scan, image = simulate_scan(SMALL, 3, 1, size=size)
    assert scan.kspace.shape == (2, 4, *size) and scan.kspace.dtype == np.complex64
    assert image.shape == (2, *size) and image.dtype == np.complex64
    assert scan.mask.shape == (size[1],) and scan.mask.all() and scan.mask_source == "full"
    assert scan.image_size == size and scan.noise.shape[0] == 4
    assert len(scan.geometry.positions) == 2
    assert np.isfinite(scan.kspace).all() and np.abs(image).max() > 0.5


def test_same_key_same_scan_other_key_other_scan():
    one, image = simulate_scan(SMALL, 3, 1)
    again, _ = simulate_scan(SMALL, 3, 1)
    assert np.array_equal(one.kspace, again.kspace) and np.array_equal(one.noise, again.noise)
    for seed, case in ((4, 1), (3, 2), (3, "1")):
        _, other = simulate_scan(SMALL, seed, case)
        assert np.corrcoef(np.abs(image).ravel(), np.abs(other).ravel())[0, 1] < 0.99


def test_noise_has_the_level_asked_for():
    """k-space minus that of the noiseless twin is CN(0, noise^2); so are the noise-only samples."""
    noisy, _ = simulate_scan(DataSettings(slices=2, matrix=48, coils=4, noise=0.05), 5, 0)
    clean, _ = simulate_scan(DataSettings(slices=2, matrix=48, coils=4, noise=0.0), 5, 0)
    difference = noisy.kspace - clean.kspace
    assert np.mean(np.abs(difference) ** 2) == pytest.approx(0.05**2, rel=0.05)
    assert np.mean(difference.real**2) == pytest.approx(0.05**2 / 2, rel=0.07)
    assert np.mean(np.abs(noisy.noise) ** 2) == pytest.approx(0.05**2, rel=0.1)
    # White over coils, and fresh in every slice.
    covariance = np.cov(difference.transpose(1, 0, 2, 3).reshape(4, -1)) / 0.05**2
    assert np.abs(covariance - np.eye(4)).max() < 0.1
    assert abs(np.vdot(difference[0], difference[1])) < 0.1 * np.linalg.norm(difference[0]) ** 2


def test_correlated_noise_is_the_same_in_the_noise_scan():
    settings = DataSettings(slices=1, matrix=64, coils=4, noise=0.05)
    noisy, _ = simulate_scan(settings, 5, 0, noise_correlation=0.4)
    clean, _ = simulate_scan(DataSettings(slices=1, matrix=64, coils=4, noise=0.0), 5, 0, noise_correlation=0.4)
    difference = (noisy.kspace - clean.kspace).transpose(1, 0, 2, 3).reshape(4, -1)
    here, there = np.cov(difference) / 0.05**2, np.cov(noisy.noise) / 0.05**2
    assert np.abs(here - np.diag(np.diag(here))).max() > 0.15
    assert np.abs(here - there).max() < 0.15
    assert np.trace(here).real / 4 == pytest.approx(1, rel=0.1)


def test_magnitude_is_the_root_sum_of_squares(full_scan):
    scan, image = full_scan
    assert np.abs(rss(scan.kspace) - np.abs(image)).max() < 0.06
    head = np.abs(image) > 0.2
    assert np.abs(rss(scan.kspace) - np.abs(image))[head].mean() < 0.01


def test_brain_has_skull_ventricles_and_air_around():
    """In a T2 image through the ventricles: air, bright scalp, dark skull, and CSF brighter than white matter."""
    settings = DataSettings(slices=1, matrix=128, coils=8, noise=0.0)
    for case in range(3):
        head = draw_head(1, case, 1, 8, contrast="T2", plane="axial")
        signals = head.signals
        assert signals["csf"] > signals["grey"] > signals["white"] > signals["bone"]
        _, image = simulate_scan(settings, 1, case, contrast="T2", plane="axial")
        magnitude = np.abs(image[0])
        assert magnitude[:6].max() < 0.02 and magnitude[:, :6].max() < 0.02
        middle = magnitude[64, :]
        inside = np.flatnonzero(middle > 0.1)
        assert 70 < inside[-1] - inside[0] < 115
        # The skull: a dark band within 20 mm of the scalp, on both sides.
        for edge, step in ((inside[0], 1), (inside[-1], -1)):
            band = middle[edge : edge + step * 12 : step]
            assert band.min() < 0.12 < band.max()


@pytest.mark.parametrize(
    ("contrast", "order"),
    [
        ("T1", ("white", "grey", "csf")),
        ("T2", ("csf", "grey", "white")),
        ("FLAIR", ("grey", "white", "csf")),
        ("PD", ("grey", "white", "bone")),
    ],
)
def test_contrasts_order_the_tissues_as_they_should(contrast, order):
    for seed in range(30):
        signals = draw_signals(contrast, generator(seed))
        values = [signals[name] for name in order]
        assert values == sorted(values, reverse=True), (contrast, seed, signals)
        assert max(signals.values()) == 1 and min(signals.values()) >= 0


def test_inversion_nulls_where_the_equation_says():
    """With a long repetition the null of T1 lies at TI = T1 ln 2."""
    t1 = TISSUES["csf"][0]
    assert SpinEcho(1e6, 10, t1 * np.log(2)).signal(t1, 1000, 1) == pytest.approx(0, abs=1e-9)
    assert SpinEcho(1e6, 0).signal(t1, 1000, 1) == pytest.approx(1)


def test_smooth_fields_have_the_scale_and_size_asked_for():
    fields = smooth_fields((40.0, 10.0), generator(0)).data
    assert fields.shape[0] == 2
    assert fields.std(dim=(1, 2, 3)).tolist() == pytest.approx([1, 1], rel=0.25)
    roughness = [float(f.diff(dim=0).square().mean() / f.var()) for f in fields]
    assert roughness[1] > 8 * roughness[0]


def test_loop_field_is_the_closed_form_on_its_axis():
    """On the axis of a loop: B = 2 pi R^2 / (R^2 + z^2)^(3/2), in the unit of the segment sum."""
    loop = CoilArray(
        centres=torch.tensor([[0.0, 100.0, 0.0]]), normals=torch.tensor([[0.0, 1.0, 0.0]]), radius=50.0,
        phases=torch.zeros(1), flatness=0.5, noise_factor=torch.eye(1),
    )  # fmt: skip
    depth = torch.tensor([0.0, 20.0, 60.0, 120.0])
    points = torch.stack([torch.zeros(4), 100 - depth, torch.zeros(4)], dim=-1)
    field = loop.field(points)[0]
    expected = 50.0**2 / (50.0**2 + depth**2) ** 1.5
    # The field is along y: Bx - i By is imaginary.
    assert torch.allclose(field.abs(), expected, rtol=1e-4)
    assert float(field.real.abs().max()) < 1e-6


def test_coils_differ_from_scan_to_scan_and_see_different_parts():
    plane = torch.tensor([[[90.0, 90, 0], [-90, 90, 0]], [[90, -90, 0], [-90, -90, 0]]])
    maps = [draw_coils(8, 0.0, generator(s)).sensitivities(plane, (32, 32)) for s in range(2)]
    unit = [m / m.abs().square().sum(0).sqrt() for m in maps]
    assert float((unit[0] - unit[1]).abs().mean()) > 0.1
    # Well conditioned for parallel imaging: no two coils are alike.
    flat = torch.nn.functional.normalize(maps[0].flatten(1), dim=1)
    alike = (flat @ flat.mH).abs() - torch.eye(8)
    assert float(alike.max()) < 0.95


@pytest.mark.slow
def test_sigpys_espirit_finds_the_maps():
    """ESPIRiT, told nothing, finds the maps up to a phase per pixel wherever there is signal."""
    head = draw_head(2, 0, 1, 6, plane="axial")
    kspace, csm, image = simulate_slice(head, 0, (64, 64))
    found = sigpy.mri.app.EspiritCalib(kspace.numpy(), calib_width=24, crop=0, show_pbar=False).run()
    agreement = np.abs((np.conj(found) * csm.numpy()).sum(0))
    signal = image.abs().numpy() > 0.2
    assert np.median(agreement[signal]) > 0.995
    assert np.quantile(agreement[signal], 0.05) > 0.97


def test_small_field_of_view_wraps_the_head():
    """The folded k-space is every second line of that of a field of view twice as wide."""
    head = draw_head(4, 0, 1, 4, plane="axial")
    wide, _, image = simulate_slice(head, 0, (128, 128))
    # The share of the field of view at which 64 columns are as narrow as the 128 are.
    fov = voxel_size(head, (128, 128))[1] / voxel_size(head, (128, 64))[1]
    narrow, _, _ = simulate_slice(head, 0, (128, 64), fov=fov)
    # In a unitary transform the lines of the narrow one are larger by sqrt(2).
    error = (narrow - wide[..., ::2] * 2**0.5).norm() / narrow.norm()
    assert float(error) < 0.01
    edges = torch.cat([image[:, :6], image[:, -6:]], dim=1).abs().max()
    wrapped = ifft2c(narrow).abs().square().sum(0).sqrt()
    assert float(edges) < 0.02 < 0.2 < float(wrapped[:, :2].max())


def test_pattern_is_applied(undersampled_scan, full_scan):
    scan, image = undersampled_scan
    assert scan.mask_source == "file" and scan.realised_acceleration == 2
    assert not scan.kspace[..., ~scan.mask].any()
    assert np.array_equal(scan.kspace[..., scan.mask], full_scan[0].kspace[..., scan.mask])
    assert np.array_equal(image, full_scan[1])


def test_geometry_follows_the_slices():
    scan, _ = simulate_scan(DataSettings(slices=3, matrix=32, coils=4), 0, 0, plane="sagittal")
    geometry = scan.geometry
    positions = np.array(geometry.positions)
    step = positions[1] - positions[0]
    assert np.allclose(np.linalg.norm(step), geometry.voxel_size[2] + geometry.slice_gap, rtol=1e-5)
    assert np.allclose(step / np.linalg.norm(step), geometry.slice_direction, atol=1e-5)
    axes = np.array([geometry.read_direction, geometry.phase_direction, geometry.slice_direction])
    assert np.allclose(axes @ axes.T, np.eye(3))
    assert scan.attributes["acquisition"].startswith("SAG")


@pytest.mark.long
def test_every_slice_of_many_holds_a_head():
    _, image = simulate_scan(DataSettings(slices=40, matrix=16, coils=2, noise=0.0), 2, 0, plane="axial")
    assert (np.abs(image) > 0.1).mean(axis=(1, 2)).min() > 0.05


def test_folder_round_trip(tmp_path):
    paths = simulate_folder(tmp_path, 2, 2, 32, 4, noise=0.01, acceleration=2, seed=9)
    assert [p.name for p in paths] == ["brain_9_0000.h5", "brain_9_0001.h5"]
    scan = read_scan(paths[1])
    assert scan.mask_source == "file" and scan.realised_acceleration == 2 and not scan.notes
    settings = DataSettings(slices=2, matrix=32, coils=4, noise=0.01)
    full, _ = simulate_scan(settings, 9, 1)
    assert np.array_equal(scan.kspace[..., scan.mask], full.kspace[..., scan.mask])
    assert np.allclose(scan.noise, full.noise)
    # More cases of the same seed go on where the first ones ended.
    more = simulate_folder(tmp_path / "more", 1, 2, 32, 4, noise=0.01, acceleration=2, seed=9, first=1)
    assert np.array_equal(read_scan(more[0]).kspace, scan.kspace)


def test_folder_takes_a_law_of_its_own(tmp_path):
    law = MaskSettings("variable-density", 2, 10)
    (path,) = simulate_folder(tmp_path, 1, 1, (32, 36), 4, mask=law, plane="axial")
    scan = read_scan(path)
    assert scan.size == (32, 36) and int(scan.mask.sum()) == 18 and scan.mask[13:23].all()


@pytest.mark.parametrize(
    "call",
    [
        lambda out: simulate_folder(out, 0, 1, 32, 4),
        lambda out: simulate_folder(out, 1, 0, 32, 4),
        lambda out: simulate_folder(out, 1, 1, 4, 4),
        lambda out: simulate_folder(out, 1, 1, 32, 0),
        lambda out: simulate_folder(out, 1, 1, 32, 4, noise=-1.0),
        lambda out: simulate_folder(out, 1, 1, 32, 4, noise=float("nan")),
        lambda out: simulate_folder(out, 1, 1, 32, 4, acceleration=0.5),
        lambda out: simulate_folder(out, 1, 1, 32, 4, acceleration=32),
        lambda out: simulate_folder(out, 1, 1, 32, 4, fov=1.5),
    ],
)
def test_refuses_what_makes_no_scan(call, tmp_path):
    with pytest.raises(InputError):
        call(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_wrapped_scan_needs_more_than_one_set(wrapped_scan):
    """Where the head overlaps itself, no single value per pixel explains all coils."""
    scan, image = wrapped_scan
    coil_images = ifft2c(torch.from_numpy(scan.kspace))[0]
    head = draw_head(7, "wrapped", 1, 8, plane="axial")
    _, csm, _ = simulate_slice(head, 0, (64, 48), fov=0.5)
    explained = (csm.conj() * coil_images).sum(0).abs()
    total = coil_images.abs().square().sum(0).sqrt()
    residual = (1 - (explained / total.clamp(min=1e-6)) ** 2).clamp(min=0)
    signal = total > 0.2
    assert float((residual[signal] > 0.2).float().mean()) > 0.03
    assert fft2c(coil_images).shape == (8, 64, 48)
