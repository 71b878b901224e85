"""Siemens raw data: against twixtools and pymapvbvd, closed forms, and a real scan where it is at hand."""

import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
from twix_files import end_bytes, header_bytes, record_bytes, write_twix

from rsd_mri.errors import InputError
from rsd_mri.scan.reading import read_scan, read_scans, recognise
from rsd_mri.scan.twix import directions, noise_dwell_time, read_records
from rsd_mri.scan.twix import measurements as measurements_of

READ, LINES, COILS = 64, 24, 2
ACR = Path(__file__).parents[3] / "shared" / "data" / "siemens_acr" / "gre.dat"


def kspace(seed=0, slices=1):
    """Noise with a peak in the middle, [slice, coil, readout, phase_encode]."""
    rng = np.random.default_rng(seed)
    k = rng.standard_normal((slices, COILS, READ, LINES)) + 1j * rng.standard_normal((slices, COILS, READ, LINES))
    k[..., READ // 2, LINES // 2] = 40 + 10j
    return k.astype(np.complex64)


def lines(k, modern=True, **further):
    """Records of slices of k-space, line after line."""
    return b"".join(
        record_bytes(k[s, :, :, i], modern=modern, Lin=i, Sli=s, centre_line=LINES // 2,
                     quaternion=(np.sqrt(0.5), 0, 0, np.sqrt(0.5)), position=(1.0, 2.0, 6.0 * s), **further)
        for i in range(LINES) for s in range(len(k))
    )  # fmt: skip


def turned(k):
    """The other sign of the transform: reversed about index n // 2, what has no partner left where it is."""
    return np.roll(k[..., ::-1, ::-1], (1, 1), axis=(-2, -1))


def image(k):
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(k, axes=axes), axes=axes), axes=axes)


@pytest.mark.parametrize("modern", [True, False])
def test_both_versions_give_image_place_and_size(tmp_path, modern):
    k = kspace(slices=2 if modern else 1)
    content = header_bytes(slices=len(k), modern=modern) + lines(k, modern) + end_bytes(modern)
    path = write_twix(tmp_path / "meas.dat", [content], modern)
    assert recognise(path) == "twix"
    scan = read_scan(path)
    assert scan.format == "twix" and scan.image_size == (32, LINES)
    assert np.allclose(np.abs(image(scan.kspace)), np.abs(image(turned(k))), rtol=1e-4, atol=1e-4)
    assert scan.geometry.voxel_size == (2.0, 2.0, 5.0)
    # A quarter turn about the slice normal: phase encode along +y, readout along -x.
    assert np.allclose(scan.geometry.phase_direction, (0, 1, 0), atol=1e-6)
    assert np.allclose(scan.geometry.read_direction, (-1, 0, 0), atol=1e-6)
    assert np.allclose(scan.geometry.positions, [(1.0, 2.0, 6.0 * s) for s in range(len(k))])
    assert scan.facts.echo_times == (12.0,) and scan.facts.repetition_times == (500.0,)
    assert scan.facts.inversion_times == ()


def test_records_are_those_that_twixtools_reads(tmp_path):
    twixtools = pytest.importorskip("twixtools")
    k = kspace()
    path = write_twix(tmp_path / "meas.dat", [header_bytes() + lines(k) + end_bytes()])
    records = read_records(path, measurements_of(path)[0])
    theirs = twixtools.read_twix(str(path), parse_pmu=False, parse_geometry=False, verbose=False)[0]["mdb"]
    assert len(records) == len(theirs) == LINES
    for index, samples in records.samples(np.arange(LINES)):
        assert np.array_equal(samples, theirs[index].data)
        assert records.head["idx"]["kspace_encode_step_1"][index] == theirs[index].cLin


def test_a_file_that_twixtools_wrote_again_is_the_same_scan(tmp_path, capsys):
    twixtools = pytest.importorskip("twixtools")
    path = write_twix(tmp_path / "meas.dat", [header_bytes() + lines(kspace()) + end_bytes()])
    theirs = twixtools.read_twix(str(path), parse_pmu=False, parse_geometry=False, verbose=False)
    twixtools.write_twix(theirs, str(tmp_path / "again.dat"))
    first, second = read_scan(path), read_scan(tmp_path / "again.dat")
    np.testing.assert_array_equal(first.kspace, second.kspace)
    assert (first.geometry, first.facts, first.notes) == (second.geometry, second.facts, second.notes)


def test_reflected_lines_are_turned_and_averages_averaged(tmp_path):
    k, other = kspace(1), kspace(2)
    other = k + 0.01 * (other - k)
    records = b""
    for i in range(LINES):
        for average, one in enumerate((k, other)):
            line, odd = one[0, :, :, i], average == 1
            # The centre of a record is counted in the order of time.
            centre = READ - 1 - READ // 2 if odd else READ // 2
            records += record_bytes(line[:, ::-1] if odd else line, ("reflect",) * odd, centre=centre,
                                    centre_line=LINES // 2, Lin=i, Ave=average)  # fmt: skip
    path = write_twix(tmp_path / "meas.dat", [header_bytes() + records + end_bytes()])
    mean = (k + other)[0] / 2
    assert np.allclose(np.abs(image(read_scan(path).kspace[0])), np.abs(image(turned(mean))), atol=2e-2)


def test_noise_comes_from_the_adjustment_before_it_with_coils_by_name(tmp_path):
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((COILS, 4096)) * np.array([[1.0], [3.0]]) + 0j
    adjustment = header_bytes("AdjCoilSens", "AdjCoilSensSeq", coils="BA") + record_bytes(noise, ("noise",))
    content = header_bytes(coils="AB") + lines(kspace()) + end_bytes()
    path = write_twix(tmp_path / "meas.dat", [adjustment + end_bytes(), content])
    scan = read_scan(path)
    assert scan.noise.shape == (COILS, 4096)
    ratio = np.abs(scan.noise[0]).std() / np.abs(scan.noise[1]).std()
    assert 2.5 < ratio < 3.5  # coil A, the first of the image, was the second and louder one there
    # 5 us for the adjustment, 5 us for the image, and no filter in this noise: no scaling.
    assert np.isclose(scan.noise[1].std(), 1.0, rtol=0.1)
    assert any("AdjCoilSens" in note and "gre" in note for note in scan.notes)
    assert any("by their labels" in note for note in scan.notes)


def test_reference_lines_are_a_calibration_scan(tmp_path):
    k = kspace(4)
    half = b"".join(record_bytes(k[0, :, :, i], Lin=i, centre_line=LINES // 2) for i in range(0, LINES, 2))
    middle = range(LINES // 2 - 5, LINES // 2 + 5)
    reference = b"".join(record_bytes(k[0, :, :, i], ("reference",), Lin=i, centre_line=LINES // 2) for i in middle)
    path = write_twix(tmp_path / "meas.dat", [header_bytes() + reference + half + end_bytes()])
    scan = read_scan(path)
    assert scan.calibration is not None and scan.calibration.shape[-1] >= 8 or scan.mask.sum() > LINES // 2 + 4


def test_partial_fourier_is_placed_by_the_centre_of_the_records(tmp_path):
    k = kspace(5)
    kept = range(8, LINES)
    records = b"".join(record_bytes(k[0, :, :, i], Lin=i - 8, centre_line=LINES // 2 - 8) for i in kept)
    path = write_twix(tmp_path / "meas.dat", [header_bytes() + records + end_bytes()])
    scan = read_scan(path)
    full = k[0].copy()
    full[..., :8] = 0
    assert scan.size[1] == LINES
    assert np.allclose(np.abs(image(scan.kspace[0])), np.abs(image(turned(full))), atol=1e-3)


def test_cut_off_samples_are_cut_off(tmp_path):
    k = kspace(6)
    padded = np.pad(k, ((0, 0), (0, 0), (8, 0), (0, 0)), constant_values=50)
    records = b"".join(
        record_bytes(padded[0, :, :, i], centre=READ // 2 + 8, cut=(8, 0), Lin=i, centre_line=LINES // 2)
        for i in range(LINES)
    )
    path = write_twix(tmp_path / "meas.dat", [header_bytes() + records + end_bytes()])
    assert np.allclose(np.abs(image(read_scan(path).kspace[0])), np.abs(image(turned(k[0]))), atol=1e-3)


def test_directions_of_no_quaternion_are_zero():
    assert all(not one.any() for one in directions(np.zeros((1, 4), np.float32)))


def test_noise_dwell_times_are_those_of_the_converter():
    from rsd_mri.scan.twix_protocol import Protocol

    plain = Protocol({"tSequenceFileName": '"gre"'}, {})
    assert noise_dwell_time(256, plain, modern=False) == pytest.approx(1e6 / 256 / 130)
    assert noise_dwell_time(256, plain, modern=True) == 30.0
    assert noise_dwell_time(256, Protocol({"tSequenceFileName": '"AdjCoilSensSeq"'}, {}), modern=True) == 5.0


@pytest.mark.parametrize("modern", [True, False])
def test_damaged_files_are_refused_in_a_sentence(tmp_path, modern):
    content = header_bytes(modern=modern) + lines(kspace(), modern) + end_bytes(modern)
    whole = write_twix(tmp_path / "whole.dat", [content], modern).read_bytes()
    rng = np.random.default_rng(7)
    path = tmp_path / "meas.dat"
    refused = 0
    for trial in range(60):
        damaged = bytearray(whole)
        if trial % 3 == 0:
            damaged = damaged[: int(rng.integers(1, len(whole)))]
        else:
            for at in rng.integers(0, 12000 if trial % 3 == 1 else len(whole), 8):
                damaged[int(at) % len(whole)] = int(rng.integers(0, 256))
        path.write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                read_scans(path)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error) and str(path) in str(error)
    assert refused > 15


def test_a_file_without_an_image_says_so(tmp_path):
    noise = record_bytes(kspace()[0, :, :, 0], ("noise",))
    path = write_twix(tmp_path / "meas.dat", [header_bytes() + noise + end_bytes()])
    with pytest.raises(InputError, match="no imaging record"):
        read_scan(path)


real = pytest.mark.skipif(not ACR.is_file(), reason="the real scan is not at hand")


@real
def test_the_real_scan_is_what_pymapvbvd_reads():
    mapvbvd = pytest.importorskip("mapvbvd")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twix = mapvbvd.mapVBVD(str(ACR), quiet=True)
        twix.image.flagRemoveOS = False
        theirs = np.moveaxis(np.squeeze(twix.image[""]), 0, 1)  # [coil, readout, phase encode]
    scan = read_scan(ACR)
    ours, expected = np.abs(image(scan.kspace[0])), np.abs(image(turned(theirs)))
    assert scan.kspace.shape == (1, 2, 320, 160)
    assert np.abs(ours - expected).max() < 1e-6 * expected.max()


@real
@pytest.mark.skipif(shutil.which("bart") is None, reason="needs BART")
def test_the_real_scan_is_what_bart_reads(tmp_path):
    subprocess.run(["bart", "twixread", "-A", str(ACR), str(tmp_path / "acr")], check=True, capture_output=True)
    sizes = [int(n) for n in (tmp_path / "acr.hdr").read_text().splitlines()[1].split()]
    theirs = np.fromfile(tmp_path / "acr.cfl", "<c8").reshape(sizes, order="F").squeeze()
    ours = np.abs(image(read_scan(ACR).kspace[0]))
    expected = np.abs(image(turned(np.moveaxis(theirs, -1, 0))))
    assert np.abs(ours - expected).max() < 1e-6 * expected.max()


@real
def test_the_phantom_lies_as_it_is_placed():
    """The dark block of the resolution insert lies behind, the wedge in front."""
    scan = read_scan(ACR)
    magnitude = np.sqrt((np.abs(image(scan.kspace[0])) ** 2).sum(axis=0))[80:240]
    assert scan.geometry.voxel_size == pytest.approx((1.25, 1.25, 4.0))
    # Readout runs to the right of the patient, phase encode to the back.
    assert np.allclose(scan.geometry.read_direction, (-1, 0, 0), atol=1e-3)
    assert np.allclose(scan.geometry.phase_direction, (0, 0.9993, -0.0384), atol=1e-3)
    half = magnitude > 0.3 * np.median(magnitude[60:100, 60:100])
    dark = [float((~half[40:120, at]).mean()) for at in (slice(25, 65), slice(95, 135))]
    assert dark[1] > dark[0]
