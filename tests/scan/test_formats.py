"""The same acquisition in several formats; ISMRMRD files are written by the ismrmrd package."""

import shutil
import subprocess

import h5py
import ismrmrd
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from made_scans import LINES, make_scan

from rsd_mri.errors import InputError
from rsd_mri.scan import read_scan, read_scans, records, roles, write_fastmri
from rsd_mri.scan.arrays import write_cfl
from rsd_mri.scan.header import format_header
from rsd_mri.scan.record_writing import write_records


def acquisition(line, kspace_line, *, slice_=0, flags=(), centre=None, dwell=2.0, **idx):
    acq = ismrmrd.Acquisition.from_array(np.ascontiguousarray(kspace_line, np.complex64))
    acq.center_sample = kspace_line.shape[1] // 2 if centre is None else centre
    acq.sample_time_us = dwell
    acq.idx.kspace_encode_step_1 = line
    acq.idx.slice = slice_
    for name, value in idx.items():
        setattr(acq.idx, name, value)
    acq.read_dir[:], acq.phase_dir[:], acq.slice_dir[:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    acq.position[:] = (0, 0, 5.0 * slice_)
    for flag in flags:
        acq.setFlag(flag)
    return acq


def write_mrd(path, acquisitions, header):
    return write_records(path, header, acquisitions)


def lines_of(scan, **options):
    return [
        acquisition(line, scan.kspace[s, :, :, line], slice_=s, **options)
        for line in np.flatnonzero(scan.mask)
        for s in (1, 0)
    ]


def header_for(scan, **options):
    return format_header(scan.size, scan.image_size, scan.n_slices, scan.n_coils, voxel_size=(1, 2, 3), **options)


@pytest.fixture
def scan():
    return make_scan(mask=LINES, image_size=(8, 12))


def test_flags_are_those_of_the_format():
    assert records.NOISE == ismrmrd.ACQ_IS_NOISE_MEASUREMENT
    assert records.CALIBRATION == ismrmrd.ACQ_IS_PARALLEL_CALIBRATION
    assert records.CALIBRATION_AND_IMAGING == ismrmrd.ACQ_IS_PARALLEL_CALIBRATION_AND_IMAGING
    assert records.REVERSE == ismrmrd.ACQ_IS_REVERSE
    names = (
        "NAVIGATION_DATA PHASECORR_DATA HPFEEDBACK_DATA DUMMYSCAN_DATA RTFEEDBACK_DATA "
        "SURFACECOILCORRECTIONSCAN_DATA PHASE_STABILIZATION PHASE_STABILIZATION_REFERENCE"
    )
    assert set(roles.SKIPPED) == {getattr(ismrmrd, f"ACQ_IS_{name}") for name in names.split()}


def test_records_written_at_once_are_those_written_one_by_one(tmp_path, scan):
    acquisitions = lines_of(scan)
    points = np.linspace(0, 1, 2 * acquisitions[0].number_of_samples, dtype=np.float32).reshape(-1, 2)
    acquisitions[3] = ismrmrd.Acquisition.from_array(acquisitions[3].data, points)
    with ismrmrd.Dataset(str(tmp_path / "a.mrd"), "dataset") as file:
        file.write_xml_header(header_for(scan).encode())
        for one in acquisitions:
            file.append_acquisition(one)
    write_records(tmp_path / "b.mrd", header_for(scan), acquisitions)
    one, other = (ismrmrd.Dataset(str(tmp_path / name), "dataset", False) for name in ("a.mrd", "b.mrd"))
    assert one.read_xml_header() == other.read_xml_header()
    assert one.number_of_acquisitions() == other.number_of_acquisitions() == len(acquisitions)
    for number in range(len(acquisitions)):
        assert one.read_acquisition(number) == other.read_acquisition(number)


def test_every_format_gives_the_same_scan(tmp_path, scan):
    np.save(tmp_path / "a.npy", scan.kspace)
    paths = [
        write_fastmri(tmp_path / "a.h5", scan),
        write_mrd(tmp_path / "a.mrd", lines_of(scan), header_for(scan)),
        write_cfl(tmp_path / "a.cfl", scan.kspace),
        tmp_path / "a.npy",
    ]
    for path, form in zip(paths, ("fastmri", "ismrmrd", "cfl", "npy"), strict=True):
        odd = path.rename(path.with_suffix(".xyz")) if form in ("fastmri", "ismrmrd", "npy") else path
        back = read_scan(odd)
        assert back.format == form
        np.testing.assert_array_equal(back.kspace, scan.kspace)
        np.testing.assert_array_equal(back.mask, scan.mask)
        if form in ("fastmri", "ismrmrd"):
            assert back.image_size == (8, 12)
        if form == "ismrmrd":
            assert [note.split(" is ")[0] for note in back.notes] == ["the sign of the Fourier transform"]
            assert back.geometry.voxel_size == (1, 2, 3)
            assert back.geometry.slice_gap == 2
            assert back.geometry.positions == ((0, 0, 0), (0, 0, 5))
            assert back.geometry.phase_direction == (0, 1, 0)


def test_mrd_reversed_lines(tmp_path, scan):
    acqs = []
    for i, line in enumerate(np.flatnonzero(scan.mask)):
        for s in range(2):
            data = scan.kspace[s, :, :, line]
            if i % 2:
                # zero frequency is sample 8 of 16 forwards, so sample 7 backwards; some writers say 8 always
                acqs.append(acquisition(line, data[:, ::-1], slice_=s, flags=(records.REVERSE,), centre=7 + i % 4 // 2))
            else:
                acqs.append(acquisition(line, data, slice_=s))
    back = read_scan(write_mrd(tmp_path / "a.h5", acqs, header_for(scan)))
    np.testing.assert_array_equal(back.kspace, scan.kspace)


def test_mrd_asymmetric_echo_and_partial_fourier(tmp_path, scan):
    # The first 5 of 16 samples, and the lines below 4, were never measured.
    lines = np.arange(4, 12)
    full = make_scan(image_size=(16, 12))
    acqs = [
        acquisition(line - 4, full.kspace[s, :, 5:, line], slice_=s, centre=8 - 5) for line in lines for s in range(2)
    ]
    header = format_header((16, 12), (16, 12), 2, 3, acquired_at=(4, 12))
    back = read_scan(write_mrd(tmp_path / "a.h5", acqs, header))
    np.testing.assert_array_equal(back.kspace[:, :, 5:, 4:], full.kspace[:, :, 5:, 4:])
    assert not back.kspace[:, :, :5].any()
    assert not back.kspace[..., :4].any()
    assert back.mask.shape == (16, 12)
    assert back.mask[5:, 4:].all()
    assert back.mask.sum() == 11 * 8
    assert any("asymmetric echo" in note for note in back.notes)


def test_mrd_noise_is_scaled_by_bandwidth_and_averages(tmp_path, scan):
    rng = np.random.default_rng(1)
    sigma = 0.3
    samples = (rng.standard_normal((3, 4000)) + 1j * rng.standard_normal((3, 4000))) * sigma / np.sqrt(2)
    noise = acquisition(0, samples, flags=(records.NOISE,), dwell=8.0)
    twice = lines_of(scan) + lines_of(scan, average=1)
    back = read_scan(write_mrd(tmp_path / "a.h5", [noise, *twice], header_for(scan)))
    # Four times the bandwidth doubles the deviation; two averages take it down by sqrt(2).
    assert np.sqrt((np.abs(back.noise) ** 2).mean()) == pytest.approx(sigma * 2 / np.sqrt(2), rel=0.03)
    np.testing.assert_allclose(back.kspace, scan.kspace, rtol=1e-6)
    assert any("averaged" in note for note in back.notes)


def test_lines_of_the_image_are_no_noise_scan(tmp_path, scan):
    """fastmri_to_mrd of mrd-python 2.2.1 writes a line from the edge of k-space before each slice, flagged as noise."""
    edge = int(np.flatnonzero(scan.mask)[-1])

    def flagged(slice_, counted):
        return acquisition(edge, scan.kspace[slice_, :, :, edge], slice_=counted, flags=(records.NOISE,))

    edges = [flagged(s, s) for s in range(scan.n_slices)]
    back = read_scan(write_mrd(tmp_path / "a.h5", [*edges, *lines_of(scan)], header_for(scan)))
    assert back.noise is None
    assert any("2 noise records are copies of lines of the image" in note for note in back.notes)
    np.testing.assert_array_equal(back.kspace, scan.kspace)
    back = read_scan(write_mrd(tmp_path / "b.h5", [*edges, flagged(1, 0), *lines_of(scan)], header_for(scan)))
    np.testing.assert_array_equal(back.noise, scan.kspace[1, :, :, edge])


def test_mrd_averages_and_repetitions(tmp_path, scan):
    def times(factor, **idx):
        return [acquisition(a.idx.kspace_encode_step_1, factor * a.data, slice_=a.idx.slice, **idx) for a in ones]

    ones = lines_of(scan)
    path = write_mrd(
        tmp_path / "a.h5", ones + times(1.1, average=1) + times(9, repetition=1) + times(9, repetition=1, average=1),
        header_for(scan),
    )  # fmt: skip
    first, later = read_scans(path)
    np.testing.assert_allclose(first.kspace, 1.05 * scan.kspace, rtol=1e-5)
    np.testing.assert_allclose(later.kspace, 9 * scan.kspace, rtol=1e-5)
    assert [first.frame, later.frame] == [{"repetition": 0}, {"repetition": 1}]
    assert any("repetition" in note for note in read_scan(path).notes)


@pytest.mark.parametrize("counted", [False, True])
def test_lines_that_are_no_repetitions_are_not_averaged(tmp_path, scan, counted):
    turn = np.exp(2j * np.arange(16) / 16)
    other = [
        acquisition(a.idx.kspace_encode_step_1, a.data * turn, slice_=a.idx.slice, average=int(counted))
        for a in lines_of(scan)
    ]
    first, second = read_scans(write_mrd(tmp_path / "a.h5", lines_of(scan) + other, header_for(scan)))
    np.testing.assert_allclose(first.kspace, scan.kspace, rtol=1e-6)
    np.testing.assert_allclose(second.kspace, scan.kspace * turn[:, None], rtol=1e-5)
    assert second.frame == {"average" if counted else "repeat": 1}
    assert any("disagree" in note for note in first.notes)


@pytest.mark.parametrize("mode", ["embedded", "separate", "interleaved"])
def test_mrd_calibration_lines(tmp_path, scan, mode):
    full = make_scan(image_size=(8, 12))
    header = header_for(scan).replace(
        "</encoding>",
        "<parallelImaging><accelerationFactor><kspace_encoding_step_1>2</kspace_encoding_step_1>"
        "<kspace_encoding_step_2>1</kspace_encoding_step_2></accelerationFactor>"
        f"<calibrationMode>{mode}</calibrationMode></parallelImaging></encoding>",
    )
    extra = [
        acquisition(line, full.kspace[s, :, :, line], slice_=s, flags=(records.CALIBRATION,))
        for line in range(2, 11)
        for s in range(2)
        if mode == "separate" or not LINES[line]
    ]
    lines = lines_of(scan)
    if mode == "interleaved":  # imaging lines in the centre are calibration lines too
        for line in lines:
            if 2 <= line.idx.kspace_encode_step_1 < 11:
                line.setFlag(records.CALIBRATION_AND_IMAGING)
        extra += [acquisition(3, 5 * full.kspace[0, :, :, 3], flags=(records.CALIBRATION,), repetition=1)]
    back = read_scan(write_mrd(tmp_path / "a.h5", lines + extra, header))
    if mode != "embedded":
        np.testing.assert_array_equal(back.mask, LINES)
        np.testing.assert_array_equal(back.calibration, full.kspace[..., 2:11])
    else:
        assert back.calibration is None
        np.testing.assert_array_equal(back.mask, LINES | ((np.arange(12) >= 2) & (np.arange(12) < 11)))


def test_mrd_left_out_records(tmp_path, scan):
    navigator = acquisition(0, np.full((3, 16), 5), flags=(ismrmrd.ACQ_IS_NAVIGATION_DATA,))
    back = read_scan(write_mrd(tmp_path / "a.h5", [navigator, *lines_of(scan)], header_for(scan)))
    np.testing.assert_array_equal(back.kspace, scan.kspace)
    assert any("navigator" in note for note in back.notes)


def test_mrd_refusals(tmp_path, scan):
    radial = header_for(scan).replace("cartesian", "radial")
    with pytest.raises(InputError, match="radial"):
        read_scan(write_mrd(tmp_path / "a.h5", lines_of(scan), radial))
    with pytest.raises(InputError, match="points were"):
        wide = header_for(scan).replace("<y>12</y>", "<y>9000000</y>")
        read_scan(write_mrd(tmp_path / "d.h5", lines_of(scan), wide))
    with pytest.raises(InputError, match="no imaging record"):
        noise = acquisition(0, np.ones((3, 16)), flags=(records.NOISE,))
        read_scan(write_mrd(tmp_path / "c.h5", [noise], header_for(scan)))


def test_mrd_whose_header_was_lost_is_read_by_its_records(tmp_path, scan):
    path = write_mrd(tmp_path / "a.h5", lines_of(scan), header_for(scan))
    with h5py.File(path, "r+") as file:
        del file["dataset/xml"]
    back = read_scan(path)
    lines = np.flatnonzero(scan.mask)
    assert back.geometry.voxel_size is None and back.header is None
    np.testing.assert_array_equal(back.kspace[..., back.mask], scan.kspace[..., lines])
    assert any("no header (xml)" in note for note in back.notes)


def test_mrd_that_holds_images_alone_says_so(tmp_path):
    with ismrmrd.Dataset(str(tmp_path / "a.h5"), "dataset") as file:
        file.write_xml_header(b"<ismrmrdHeader/>")
        file.append_image("image_0", ismrmrd.Image.from_array(np.ones((8, 8), np.float32), transpose=False))
    with pytest.raises(InputError, match=r"holds images of ISMRMRD \(dataset/image_0\) and no acquisitions"):
        read_scan(tmp_path / "a.h5")


def test_mrd_of_a_volume_gives_slices_across_the_readout(tmp_path):
    # [partition, coil, readout, phase_encode]; every third pair of encodes is missing, partitions below 2 too
    full = make_scan((7, 3, 16, 12)).kspace
    pairs = [(p, line) for p in range(2, 7) for line in range(12) if (p + line) % 3]
    acqs = [acquisition(line, full[p, :, :, line], kspace_encode_step_2=p - 2) for p, line in pairs]
    header = format_header((16, 12), (8, 12), 1, 3, voxel_size=(1, 2, 21))
    header = header.replace("<z>1</z>", "<z>7</z>").replace(
        "<kspace_encoding_step_2><minimum>0</minimum><maximum>0</maximum><center>0</center>",
        "<kspace_encoding_step_2><minimum>0</minimum><maximum>4</maximum><center>1</center>",
    )
    back = read_scan(write_mrd(tmp_path / "a.h5", acqs, header))
    mask = np.zeros((12, 7), bool)
    for p, line in pairs:
        mask[line, p] = True
    hybrid = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(full, axes=2), axis=2, norm="ortho"), axes=2)
    expected = hybrid[:, :, 4:12].transpose(2, 1, 3, 0) * mask
    np.testing.assert_allclose(back.kspace, expected, atol=1e-5)
    np.testing.assert_array_equal(back.mask[:, 2:], mask[:, 2:])
    assert back.acquired_at == (2, 7)
    assert back.image_size == (12, 7)
    assert back.geometry.voxel_size == (2, 3, 1)
    assert back.geometry.slice_direction == (1, 0, 0)
    assert back.geometry.positions[0] == (-4, 0, 0)
    assert any("3-D" in note for note in back.notes)


def test_mrd_survives_a_wrong_header(tmp_path, scan):
    header = format_header((8, 6), (8, 6), 5, 4)
    back = read_scan(write_mrd(tmp_path / "a.h5", lines_of(scan), header))
    assert back.kspace.shape[:3] == (2, 3, 16)
    assert sum("header says" in note for note in back.notes) >= 3


@pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not installed")
def test_bart_reads_and_writes_the_same_array(tmp_path, scan):
    full = make_scan((1, 3, 16, 12))
    write_cfl(tmp_path / "in.cfl", full.kspace)
    subprocess.run(["bart", "flip", "3", "in", "out"], cwd=tmp_path, check=True, capture_output=True)
    back = read_scan(tmp_path / "out")
    np.testing.assert_array_equal(back.kspace, full.kspace[:, :, ::-1, ::-1])


def test_cfl_after_a_transform_along_the_readout(tmp_path):
    full = make_scan((1, 3, 16, 12))
    write_cfl(tmp_path / "a.cfl", full.kspace)
    (tmp_path / "a.hdr").write_text("# Dimensions\n1 16 12 3 1 1\n# Creator\nBART\n")
    (tmp_path / "a.cfl").write_bytes(np.asfortranarray(full.kspace[0].transpose(1, 2, 0)).tobytes("F"))
    np.testing.assert_array_equal(read_scan(tmp_path / "a.hdr").kspace, full.kspace)


def test_npy_of_one_slice(tmp_path):
    full = make_scan()
    np.save(tmp_path / "a.npy", full.kspace[0])
    np.testing.assert_array_equal(read_scan(tmp_path / "a.npy").kspace, full.kspace[:1])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(4, 19), st.integers(4, 19), st.integers(1, 3), st.booleans(), st.data())
def test_any_mask_is_found_from_the_zeros(tmp_path, readout, phase, n_slices, lines, data):
    n = phase if lines else readout * phase
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any)))
    mask = mask if lines else mask.reshape(readout, phase)
    scan = make_scan((n_slices, 2, readout, phase), mask=mask)
    # Lines with a tenth of zeros at most count as whole: a pattern as full as that is not told from them.
    full = np.broadcast_to(mask, (readout, phase))
    share = full[full.any(axis=1)][:, full.any(axis=0)].mean(axis=0).min()
    assume(scan.kspace.any() and not 0.9 <= share < 1)
    np.save(tmp_path / "a.npy", scan.kspace)
    back = read_scan(tmp_path / "a.npy")
    np.testing.assert_array_equal(back.kspace, scan.kspace)
    np.testing.assert_array_equal(np.broadcast_to(back.mask, (readout, phase)), full)
    inside = back.mask[..., slice(*(back.acquired_at or (0, phase)))]
    inside = inside[slice(*(back.readout_at or (0, readout)))] if inside.ndim == 2 else inside
    assert inside.sum() == back.mask.sum()
    assert back.realised_acceleration == pytest.approx(inside.size / inside.sum())
