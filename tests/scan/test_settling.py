"""Each step that settles a question about a scan, on evidence of known truth."""

import ismrmrd
import numpy as np
import pytest
import sigpy
from spots import axes_of_samples, record, signal, write, xml

from rsd_mri.scan import read_scan
from rsd_mri.scan.assembly import assemble
from rsd_mri.scan.centre import find_peak, find_peak_of_volume
from rsd_mri.scan.findings import QUESTIONS, Finding, merged
from rsd_mri.scan.header import parse_header
from rsd_mri.scan.record_writing import write_records
from rsd_mri.scan.records import HEAD_TYPE, gather
from rsd_mri.scan.sign import turn
from rsd_mri.scan.sizes import settle_sizes
from rsd_mri.scan.windows import settle_window, turned


def header(*spaces, **said):
    return parse_header(xml(*spaces, **said), "made.h5")


def spot(size=(64, 48), fov=(128, 96), place=(14.0, -9.0), centre=None, width=10.0):
    centre = centre or (size[0] // 2, size[1] // 2)
    axes = [axes_of_samples(n, c, f) for n, c, f in zip(size, centre, fov, strict=True)]
    # Noise, or the outer points would be exact zeros: not acquired.
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((3, *size)) + 1j * rng.standard_normal((3, *size))
    return (signal(axes, place, width=width) + 1e-3 * noise).astype(np.complex64)[None]


# Findings


def test_later_findings_replace_earlier_ones_and_unknown_questions_are_refused():
    found = merged([Finding("voxel", "a"), Finding("sign", "b")], [Finding("sign", "c", "why")])
    assert [str(one) for one in found] == ["a", "c (why)"]
    with pytest.raises(ValueError, match="no question"):
        Finding("colour", "red")


def test_a_scan_answers_every_question():
    scan = assemble("made.h5", "npy", spot())
    answered = {one.question for one in scan.findings}
    assert answered == set(QUESTIONS)


# Sign: the transform with the other sign of a reversed axis is the transform itself


@pytest.mark.parametrize("n", [8, 9])
def test_reversing_an_axis_changes_the_sign_of_its_transform(n):
    rng = np.random.default_rng(0)
    kspace = rng.standard_normal((2, n, n + 1)) + 1j * rng.standard_normal((2, n, n + 1))
    other = kspace.copy()
    turn(other, (1, 2))
    expected = np.conj(sigpy.ifft(np.conj(kspace), axes=(1, 2)))  # the same numbers with the other sign
    # Numbers with the other sign of the exponent: F without the minus.
    forward = sigpy.fft(kspace, axes=(1, 2))
    np.testing.assert_allclose(sigpy.ifft(other, axes=(1, 2)), forward, atol=1e-12)
    np.testing.assert_allclose(expected, forward, atol=1e-12)


# Windows


def lines(n, *chosen):
    found = np.zeros(n, bool)
    found[list(chosen)] = True
    return found


@pytest.mark.parametrize(
    ("filled", "said", "window"),
    [
        (lines(16, *range(16)), None, None),
        (lines(16, *range(3, 12)), None, (3, 12)),  # padding on both sides
        (lines(16, *range(6, 16)), None, (6, 16)),  # partial Fourier
        (lines(16, *range(3, 12)), (2, 11), (3, 12)),  # a header off by one
        (lines(16, *range(0, 16, 2)), None, None),  # the last line belongs to the pattern
        (lines(32, *range(6, 26, 2), 15, 17), None, (6, 25)),  # every second line between wide edges
        (lines(32, *range(6, 26, 2), 15, 17), (5, 27), (5, 27)),  # the header knows better
        (lines(32, 2, 9, 14, 15, 16, 17, 18, 25), None, None),  # a random pattern
        (lines(16, *range(16)), (3, 9), None),  # a header that is contradicted
    ],
)
def test_windows(filled, said, window):
    assert settle_window(filled, said)[0] == window


@pytest.mark.parametrize("n", [10, 11])
def test_windows_turn_with_their_axis(n):
    whole = (0, n)
    assert turned(whole, n) == whole
    for first in range(1, n):
        for stop in range(first + 1, n + 1):
            filled = np.zeros((1, n), bool)
            filled[0, first:stop] = True
            turn(filled, (1,))
            places = np.flatnonzero(filled[0])
            assert turned((first, stop), n) == (places[0], places[-1] + 1)


@pytest.mark.parametrize("axis", [2, 3])
def test_padding_of_arrays_is_not_undersampling(axis):
    kspace = spot()
    at = [slice(None)] * 4
    at[axis] = slice(0, 7)
    kspace[tuple(at)] = 0
    at[axis] = slice(-11, None)
    kspace[tuple(at)] = 0
    scan = assemble("made.h5", "npy", kspace)
    assert scan.realised_acceleration == 1 and scan.mask_source == "full"
    window = scan.readout_at if axis == 2 else scan.acquired_at
    assert window == (7, kspace.shape[axis] - 11)


# Centre


def test_an_echo_beside_the_middle_is_brought_there_with_its_mask():
    kspace = spot(centre=(24, 31))
    mask = np.zeros(48, bool)
    mask[::3] = True
    mask[24:38] = True
    scan = assemble("made.h5", "npy", kspace * mask, stored_mask=mask)
    assert find_peak(scan.kspace).at == (32, 24)
    np.testing.assert_array_equal(scan.mask, np.roll(mask, -7))
    assert any("echo lies at sample 24, line 31" in note for note in scan.notes)
    before, after = (np.abs(sigpy.ifft(k, axes=(-2, -1))) for k in (kspace * mask, scan.kspace))
    np.testing.assert_allclose(before, after, atol=1e-6)


@pytest.mark.parametrize("centre", [(32, 24), (33, 24), (32, 22), (30, 26)])
def test_phase_over_the_object_moves_no_echo(centre):
    scan = assemble("made.h5", "npy", spot(centre=centre))
    assert not scan.notes
    np.testing.assert_array_equal(scan.kspace, spot(centre=centre))


def test_noise_has_no_peak():
    rng = np.random.default_rng(0)
    noise = (rng.standard_normal((2, 4, 64, 64)) + 1j * rng.standard_normal((2, 4, 64, 64))).astype(np.complex64)
    assert find_peak(noise).off == (0, 0) and not find_peak(noise).clear


def test_the_peak_of_a_volume():
    frequencies = [axes_of_samples(n, c, f) for n, c, f in ((32, 16, 64), (24, 12, 48), (20, 4, 80))]
    volume = signal(frequencies, (3.0, -4.0, 5.0), width=10.0).transpose(3, 0, 1, 2)
    peak, partition, off = find_peak_of_volume(np.ascontiguousarray(volume))
    assert (peak.off, partition, off) == ((0, 0), 4, -6)


# Axes and sizes


def test_a_swap_of_readout_and_phase_is_told_by_the_header():
    said = header((64, 48, 1), (32, 48, 1), (128, 96, 4), (64, 96, 4))
    straight = assemble("made.h5", "fastmri", spot(), header=said)
    swapped = assemble("made.h5", "fastmri", spot().swapaxes(-1, -2), header=said)
    np.testing.assert_array_equal(straight.kspace, swapped.kspace)
    assert swapped.image_size == (32, 48)
    assert any("swapped" in note for note in swapped.notes)
    assert not any("swapped" in note for note in straight.notes)


def test_the_image_of_the_file_settles_a_pixel():
    said = header((64, 37, 1), (32, 32, 1), (128, 74.4, 4), (64, 64, 4))
    assert settle_sizes(said, (64, 37)).image == (32, 32)
    assert settle_sizes(said, (64, 37), target=(32, 31)).image == (32, 31)
    assert settle_sizes(said, (64, 37), target=(16, 16)).image == (32, 32)  # no image of this scan


def test_slice_thickness_is_recon_space_s():
    sizes = settle_sizes(header((64, 48, 1), (64, 48, 1), (128, 96, 7.5), (128, 96, 5)), (64, 48))
    assert sizes.voxel == (2, 2, 5)
    sizes = settle_sizes(header((64, 48, 8), (64, 48, 8), (128, 96, 5), (128, 96, 5)), (64, 48))
    assert sizes.voxel[2] == 5


def test_thickness_and_distance_said_apart():
    more = (
        "<sequenceParameters><sliceThickness>3.0</sliceThickness><spacingBetweenSlices>4.5</spacingBetweenSlices>"
        "</sequenceParameters>"
    )
    said = header((64, 48, 1), (64, 48, 1), (128, 96, 5), (128, 96, 5), more=more)
    scan = assemble("made.h5", "fastmri", np.concatenate([spot(), spot()]), header=said)
    assert scan.geometry.voxel_size == (2, 2, 3) and scan.geometry.slice_gap == 1.5


# Headers and records


def test_a_header_in_latin_1(tmp_path):
    more = "<measurementInformation><protocolName>Sch\u00e4del</protocolName></measurementInformation>"
    text = xml((16, 12, 1), (16, 12, 1), (16, 12, 4), (16, 12, 4), more=more)
    acqs = [record(spot((16, 12), (16, 12), (1.0, 1.0))[0, :, :, i], i, centre=8) for i in range(12)]
    write_records(tmp_path / "a.h5", text.encode("latin-1"), acqs)
    assert read_scan(tmp_path / "a.h5").facts.protocol == "Sch\u00e4del"


def test_every_encoding_is_read():
    text = xml((64, 48, 1), (32, 48, 1), (128, 96, 4), (64, 96, 4))
    second = xml((192, 48, 1), (96, 48, 1), (128, 96, 4), (64, 96, 4))
    second = second[second.index("<encoding>") : second.index("</encoding>") + 11]
    both = parse_header(text.replace("</encoding>", "</encoding>" + second), "made.h5")
    assert both.encoding(0).encoded == (64, 48, 1) and both.encoding(1).encoded == (192, 48, 1)
    assert both.encoding(7).encoded == (64, 48, 1)


def test_the_facts_of_a_header():
    more = (
        "<sequenceParameters><TR>2000</TR><TE>30.5</TE><TE>60</TE><TI>900</TI><flipAngle_deg>90</flipAngle_deg>"
        "<sequence_type>Flash</sequence_type></sequenceParameters><measurementInformation><patientPosition>HFS"
        "</patientPosition><protocolName>knee</protocolName><seriesTime>10:11:12</seriesTime></measurementInformation>"
    )
    facts = parse_header(xml((8, 8, 1), (8, 8, 1), (8, 8, 4), (8, 8, 4), more=more, vendor="GE"), "made.h5").facts
    assert (facts.repetition_times, facts.echo_times, facts.inversion_times) == ((2000,), (30.5, 60), (900,))
    assert (facts.flip_angles, facts.patient_position, facts.vendor) == ((90,), "HFS", "GE")
    assert facts.frequency == pytest.approx(63.5)
    assert (facts.sequence, facts.protocol, facts.series_time) == ("Flash", "knee", "10:11:12")
    hidden = facts.without_names()
    assert (hidden.sequence, hidden.protocol, hidden.series_time, hidden.echo_times) == (None, None, None, (30.5, 60))


def test_the_header_of_a_record_is_the_format_s():
    assert ismrmrd.hdf5.acquisition_header_dtype == HEAD_TYPE
    one = record(spot((16, 12), (16, 12), (1.0, 1.0))[0, :, :, 3], 3, centre=8, repetition=2)
    as_struct, as_bytes = (gather([(head, one.data)], None, "stream") for head in (one.getHead(), bytes(one.getHead())))
    for records in (as_struct, as_bytes):
        assert records.head["idx"]["kspace_encode_step_1"][0] == 3 and records.head["idx"]["repetition"][0] == 2
        np.testing.assert_array_equal(next(records.samples(np.array([0])))[1], one.data)


def test_a_file_and_a_stream_give_the_same_scan(tmp_path):
    from spots import acquire, scans

    acqs, said = acquire((5.0, 4.0), (32, 24), (64, 48)), xml((32, 24, 1), (16, 24, 1), (64, 48, 4), (32, 48, 4))
    (streamed,) = scans(acqs, said)
    stored = read_scan(write(tmp_path / "a.h5", acqs, said))
    np.testing.assert_array_equal(streamed.kspace, stored.kspace)
    assert streamed.geometry == stored.geometry and streamed.findings == stored.findings


def test_another_coil_array_between_the_lines_is_left_out():
    from spots import acquire, scans

    lines_ = acquire((5.0, 4.0), (32, 24), (64, 48))
    body = [record(one.data[:2], one.idx.kspace_encode_step_1, centre=16) for one in lines_]
    said = xml((32, 24, 1), (32, 24, 1), (64, 48, 4), (64, 48, 4))
    (scan,) = scans([one for pair in zip(body, lines_, strict=True) for one in pair], said)
    (alone,) = scans(lines_, said)
    np.testing.assert_array_equal(scan.kspace, alone.kspace)
    assert any("24 records of another coil array (2 coils)" in note for note in scan.notes)
