"""A spot of known place in the patient lies there in the image, whatever its raw data look like.

K-space is a closed form; places are read off the image by sigpy's transform and the geometry that the image files get.
"""

from pathlib import Path

import numpy as np
import pytest
from spots import CENTRE, NORMAL, PHASE, READ, acquire, found_at, patient, record, scans, signal, xml

from rsd_mri.results.planes import is_known
from rsd_mri.scan.header import parse_header

SPOT = (14.0, -9.0)


def only(found):
    (one,) = found
    return one


@pytest.mark.parametrize("wanted", [48, 47, 31, 30, 24])
@pytest.mark.parametrize("n", [48, 49])
def test_crops_of_any_parity_keep_the_pixel_in_the_middle(n, wanted):
    fov = (96.0 * n / 48, 2.0 * n)
    header = xml((n, n, 1), (wanted, wanted, 1), (*fov, 4), (fov[0] / n * wanted, 2.0 * wanted, 4))
    scan = only(scans(acquire(SPOT, (n, n), fov), header))
    assert scan.image_size == (wanted, wanted)
    np.testing.assert_allclose(found_at(scan), patient(SPOT), atol=0.15)


@pytest.mark.parametrize("n", [(64, 48), (63, 47)])
def test_siemens_carries_the_other_sign(n):
    header = xml((*n, 1), (n[0] // 2, n[1], 1), (256, 140, 4), (128, 140, 4), vendor="SIEMENS")
    scan = only(scans(acquire(SPOT, n, (256, 140), sign=+1), header))
    np.testing.assert_allclose(found_at(scan), patient(SPOT), atol=0.3)
    finding = next(one for one in scan.findings if one.question == "sign")
    assert finding.value == "turned" and "SIEMENS" in finding.evidence
    assert not any("sign" in note for note in scan.notes)


def test_an_unknown_sign_is_said():
    for vendor in ("", "Some Vendor"):
        scan = only(scans(acquire(SPOT, (64, 48), (128, 96)), xml((64, 48, 1), (64, 48, 1), (128, 96, 4), (128, 96, 4),
                                                                   vendor=vendor)))  # fmt: skip
        np.testing.assert_allclose(found_at(scan), patient(SPOT), atol=0.15)
        assert any("sign of the Fourier transform is not known" in note and vendor in note for note in scan.notes)


@pytest.mark.parametrize(("vendor", "sign"), [("", -1), ("Siemens Healthineers", +1)])
@pytest.mark.parametrize("n", [(48, 32, 20), (47, 33, 21)])
def test_a_volume_has_its_axes_and_its_sign(n, vendor, sign):
    fov, place = (192.0, 128.0, 80.0), (10.0, -8.0, 13.0)
    frequencies = [(np.arange(m) - m // 2) / f for m, f in zip(n, fov, strict=True)]
    kspace = signal(frequencies, place, sign)
    acqs = [
        record(kspace[:, :, i, j], i, centre=n[0] // 2, kspace_encode_step_2=j)
        for i in range(n[1])
        for j in range(n[2])
    ]
    header = xml(n, (n[0] // 2, n[1], n[2]), fov, (fov[0] * (n[0] // 2) / n[0], 128, 80), vendor=vendor,
                 partitions=(0, n[2] - 1, n[2] // 2))  # fmt: skip
    scan = only(scans(acqs, header))
    assert scan.n_slices == n[0] // 2 and scan.size == n[1:]
    energy = (np.abs(scan.kspace) ** 2).sum(axis=(1, 2, 3))
    index = int(energy.argmax())
    truth = CENTRE + place[0] * READ + place[1] * PHASE + place[2] * NORMAL
    step = scan.geometry.voxel_size[2]
    assert abs((np.array(scan.geometry.positions[index]) - truth) @ READ) <= step / 2 + 0.01
    across = found_at(scan, index) - truth
    assert abs(across @ PHASE) < 0.3 and abs(across @ NORMAL) < 0.3


def test_two_slabs_are_two_volumes():
    n, fov = (32, 24, 10), (64.0, 48.0, 40.0)
    frequencies = [(np.arange(m) - m // 2) / f for m, f in zip(n, fov, strict=True)]
    acqs = []
    for slab, place in enumerate([(6.0, 0.0, 4.0), (-6.0, 3.0, -8.0)]):
        kspace, position = signal(frequencies, place), CENTRE + 40 * slab * NORMAL
        acqs += [
            record(kspace[:, :, i, j], i, centre=16, kspace_encode_step_2=j, slice=slab, position=position)
            for i in range(24) for j in range(10)
        ]  # fmt: skip
    header = xml(n, n, fov, fov, partitions=(0, 9, 5), slices=2)
    first, second = scans(acqs, header)
    assert [first.stack, second.stack] == [0, 1]
    for slab, (scan, place) in enumerate(((first, (6.0, 0.0, 4.0)), (second, (-6.0, 3.0, -8.0)))):
        index = int((np.abs(scan.kspace) ** 2).sum(axis=(1, 2, 3)).argmax())
        truth = CENTRE + 40 * slab * NORMAL + place[0] * READ + place[1] * PHASE + place[2] * NORMAL
        off = found_at(scan, index) - truth
        assert abs(off @ PHASE) < 0.4 and abs(off @ NORMAL) < 0.4


# Where the echo is


def partial(which, first, **header):
    said = header.pop("lines")
    lines = acquire(SPOT, (64, 48), (128, 96), which=which, first=first, **header)
    return only(scans(lines, xml((64, 48, 1), (64, 48, 1), (128, 96, 4), (128, 96, 4), lines=said)))


def peak(scan):
    energy = (np.abs(scan.kspace) ** 2).sum(axis=(0, 1))
    return tuple(int(i) for i in np.unravel_index(energy.argmax(), energy.shape))


def test_partial_fourier_is_placed_by_its_centre():
    scan = partial(range(12, 48), 12, lines=(0, 35, 12))
    assert peak(scan) == (32, 24) and scan.acquired_at == (12, 48) and scan.realised_acceleration == 1


@pytest.mark.parametrize("said", [(0, 35, 24), (0, 35, 0), (0, 47, 30)])
def test_a_wrong_centre_gives_way_to_the_peak(said):
    scan = partial(range(12, 48), 12, lines=said)
    assert peak(scan) == (32, 24)
    assert any("centre of k-space is at line 12" in note for note in scan.notes)
    np.testing.assert_allclose(found_at(scan), patient(SPOT), atol=0.3)


def test_the_records_know_the_centre_better_than_the_header():
    scan = partial(range(12, 48), 12, lines=(0, 35, 24), user={5: 12})
    assert peak(scan) == (32, 24)
    assert any("header puts the centre of k-space at line 24, the records at 12" in note for note in scan.notes)


@pytest.mark.parametrize("said", [0, 20])
def test_a_wrong_central_sample_gives_way_to_the_peak(said):
    lines = acquire(SPOT, (64, 48), (128, 96), said=said)
    scan = only(scans(lines, xml((64, 48, 1), (64, 48, 1), (128, 96, 4), (128, 96, 4))))
    assert peak(scan) == (32, 24)
    np.testing.assert_allclose(found_at(scan), patient(SPOT), atol=0.15)


def test_an_asymmetric_echo_is_placed_by_its_centre():
    lines = acquire(SPOT, (50, 48), (128, 96), centre=(18, 24))
    scan = only(scans(lines, xml((64, 48, 1), (64, 48, 1), (128, 96, 4), (128, 96, 4))))
    assert peak(scan) == (32, 24) and scan.readout_at == (14, 64) and scan.realised_acceleration == 1
    np.testing.assert_allclose(found_at(scan), patient(SPOT), atol=0.3)


@pytest.mark.parametrize("said", [None, 0, 40])
def test_an_asymmetric_echo_has_room_under_a_header_of_the_samples_kept(said):
    """Siemens counts the columns that were measured; whether the records know the echo's place or not."""
    lines = acquire(SPOT, (50, 48), (128, 96), centre=(18, 24), said=said)
    scan = only(scans(lines, xml((50, 48, 1), (32, 48, 1), (128, 96, 4), (64, 96, 4))))
    assert scan.size == (64, 48) and peak(scan) == (32, 24) and scan.readout_at == (14, 64)
    assert scan.realised_acceleration == 1 and any("asymmetric echo" in note for note in scan.notes)
    np.testing.assert_allclose(found_at(scan), patient(SPOT), atol=0.3)


def test_an_object_across_the_border_is_said():
    """As where every second line has the other sign."""
    header = xml((64, 48, 1), (64, 48, 1), (128, 96, 4), (128, 96, 4))
    lines = acquire((5.0, 4.0), (64, 48), (128, 96))
    assert not any("border" in note for note in only(scans(lines, header)).notes)
    for one in lines[::2]:
        one.data[:] *= -1
    assert any("border of the field of view along phase encode" in note for note in only(scans(lines, header)).notes)


def test_partitions_of_alternating_sign_are_said():
    """Of a slab, whose partitions are few."""
    n, fov = (32, 40, 16), (64.0, 80.0, 48.0)
    frequencies = [(np.arange(m) - m // 2) / f for m, f in zip(n, fov, strict=True)]
    kspace = signal(frequencies, (3.0, 4.0, -2.0), width=5.0)
    for times, said in ((np.ones(n[2]), False), ((-1.0) ** np.arange(n[2]), True)):
        acqs = [
            record(kspace[:, :, i, j] * times[j], i, centre=n[0] // 2, kspace_encode_step_2=j)
            for i in range(n[1])
            for j in range(n[2])
        ]
        scan = only(scans(acqs, xml(n, n, fov, fov, partitions=(0, n[2] - 1, n[2] // 2))))
        assert any("border of the field of view along phase encode" in note for note in scan.notes) == said
        assert any("are the phase encode and the partitions" in note for note in scan.notes)


# Sizes


def test_a_field_of_view_belongs_to_the_array_whatever_its_width():
    # 40 lines that span the same field of view as the 48 of the header: larger voxels
    lines = acquire(SPOT, (64, 40), (128, 96))
    scan = only(scans(lines, xml((64, 48, 1), (32, 48, 1), (128, 96, 6), (64, 96, 4), lines=(0, 39, 20))))
    assert scan.geometry.voxel_size == (2.0, 2.0, 4.0)  # on the header's grid, zero outside
    assert scan.image_size == (32, 48) and scan.realised_acceleration == 1
    np.testing.assert_allclose(found_at(scan), patient(SPOT), atol=0.15)
    wide = only(scans(acquire(SPOT, (64, 56), (128, 96)), xml((64, 48, 1), (32, 48, 1), (128, 96, 6), (64, 96, 4),
                                                              lines=(0, 55, 28))))  # fmt: skip
    assert wide.geometry.voxel_size[1] == pytest.approx(96 / 56)
    np.testing.assert_allclose(found_at(wide), patient(SPOT), atol=0.2)


def test_interpolated_matrices_do_not_change_the_field_of_view():
    lines = acquire(SPOT, (64, 48), (256, 100))
    scan = only(scans(lines, xml((64, 48, 1), (64, 90, 1), (256, 100, 6), (128, 96, 5))))
    assert scan.image_size == (32, 46)
    assert scan.geometry.voxel_size == pytest.approx((4.0, 100 / 48, 5.0))
    np.testing.assert_allclose(found_at(scan), patient(SPOT), atol=0.3)


def test_oversampling_that_was_removed_before_is_not_removed_again():
    # 32 samples over 64 mm under a header of 64 over 128; the spot lies in the outer half of these 64 mm.
    place = (25.0, -9.0)
    lines = acquire(place, (32, 48), (64, 96))
    scan = only(scans(lines, xml((64, 48, 1), (32, 48, 1), (128, 96, 4), (64, 96, 4))))
    assert scan.image_size == (32, 48) and scan.geometry.voxel_size[0] == 2.0
    np.testing.assert_allclose(found_at(scan), patient(place), atol=0.15)


def test_coarse_lines_keep_their_oversampling():
    # The same sizes, but the samples span the whole field of view: the spot lies inside its middle half.
    lines = acquire((9.0, -9.0), (32, 48), (128, 96))
    scan = only(scans(lines, xml((64, 48, 1), (32, 48, 1), (128, 96, 4), (64, 96, 4))))
    assert scan.geometry.voxel_size[0] == 4.0 and scan.image_size == (16, 48)
    np.testing.assert_allclose(found_at(scan), patient((9.0, -9.0)), atol=0.3)


def test_oversampling_that_the_header_forgot_is_found():
    # As raw2ismrmrd writes it: samples over twice the field of view, of which both spaces name the image's.
    lines = acquire(SPOT, (128, 48), (256, 96))
    scan = only(scans(lines, xml((128, 48, 1), (64, 48, 1), (128, 96, 4), (128, 96, 4))))
    assert scan.image_size == (64, 48) and scan.geometry.voxel_size == pytest.approx((2.0, 2.0, 4.0))
    assert any("taken as oversampled, over 256 mm" in note for note in scan.notes)
    np.testing.assert_allclose(found_at(scan), patient(SPOT), atol=0.15)


def test_oversampling_that_the_header_forgot_is_found_in_a_volume():
    n, fov, place = (96, 32, 20), (192.0, 128.0, 80.0), (10.0, -8.0, 13.0)
    kspace = signal([(np.arange(m) - m // 2) / f for m, f in zip(n, fov, strict=True)], place)
    acqs = [
        record(kspace[:, :, i, j], i, centre=n[0] // 2, kspace_encode_step_2=j)
        for i in range(n[1])
        for j in range(n[2])
    ]
    wrong = (96, 128, 80)
    scan = only(scans(acqs, xml(n, (48, *n[1:]), wrong, wrong, partitions=(0, n[2] - 1, n[2] // 2))))
    assert scan.n_slices == 48 and scan.geometry.voxel_size == pytest.approx((4.0, 4.0, 2.0))
    assert any("taken as oversampled" in note for note in scan.notes)


def test_an_image_that_fills_its_field_of_view_was_not_oversampled():
    place = (-50.0, -9.0)
    scan = only(scans(acquire(place, (128, 48), (128, 96)), xml((128, 48, 1), (64, 48, 1), (128, 96, 4), (128, 96, 4))))
    assert scan.geometry.voxel_size == pytest.approx((1.0, 2.0, 4.0))
    np.testing.assert_allclose(found_at(scan), patient(place), atol=0.15)


@pytest.mark.parametrize(("factor", "known"), [(1e-3, True), (1e-6, False), (0.0, False)])
def test_a_field_of_view_no_scanner_has(factor, known):
    fov = tuple(factor * f for f in (128, 96, 4))
    scan = only(scans(acquire(SPOT, (64, 48), (128, 96)), xml((64, 48, 1), (64, 48, 1), fov, fov)))
    assert scan.geometry.voxel_size == (pytest.approx((2.0, 2.0, 4.0)) if known else None)
    assert any("implausible" in note for note in scan.notes) == (factor > 0)


# Slices


def test_slices_are_sorted_by_position_and_the_gap_is_right():
    order = (0, 2, 4, 1, 3)
    acqs = []
    for counter, place in enumerate(order):
        spot, position = (3.0 * place, 5.0 - 2 * place), CENTRE + 6.0 * place * NORMAL
        acqs += acquire(spot, (32, 24), (64, 48), slice=counter, position=position)
    header = xml((32, 24, 1), (32, 24, 1), (64, 48, 5), (64, 48, 5), slices=5)
    scan = only(scans(acqs[::-1], header))
    assert scan.geometry.slice_gap == pytest.approx(1.0)
    for place in range(5):
        truth = patient((3.0 * place, 5.0 - 2 * place), CENTRE + 6.0 * place * NORMAL)
        np.testing.assert_allclose(found_at(scan, place), truth, atol=0.15)
    assert any("sorted by position" in note for note in scan.notes)


def test_orientations_are_stacks_of_their_own():
    directions = [(READ, PHASE), (NORMAL, PHASE), (READ, NORMAL)]
    acqs = [
        one
        for counter, (read, phase) in enumerate(directions)
        for one in acquire(SPOT, (32, 24), (64, 48), slice=counter, read_dir=read, phase_dir=phase)
    ]
    header = xml((32, 24, 1), (32, 24, 1), (64, 48, 5), (64, 48, 5), slices=3)
    found = scans(acqs, header)
    assert [scan.stack for scan in found] == [0, 1, 2]
    for scan, (read, phase) in zip(found, directions, strict=True):
        np.testing.assert_allclose(found_at(scan), patient(SPOT, CENTRE, read, phase), atol=0.2)


def test_the_field_of_view_of_a_stack_is_not_the_thickness_of_its_slices():
    acqs = [
        one for s in range(6) for one in acquire(SPOT, (32, 24), (64, 48), slice=s, position=CENTRE + 5.0 * s * NORMAL)
    ]
    header = xml((32, 24, "5.9996"), (32, 24, 6), (64, 48, 30), (64, 48, 30), slices=6)
    scan = only(scans(acqs, header))
    assert scan.geometry.voxel_size[2] == 5 and scan.geometry.slice_gap == 0
    alone = only(scans(acqs[:24], header))
    assert alone.geometry.voxel_size[2] == 30
    uncounted = only(scans(acqs, xml((32, 24, 1), (32, 24, 1), (64, 48, 30), (64, 48, 30), slices=6)))
    assert uncounted.geometry.voxel_size[2] == 5


def test_slices_without_a_record_are_said():
    acqs = [
        one for s in (1, 3) for one in acquire(SPOT, (32, 24), (64, 48), slice=s, position=CENTRE + 5.0 * s * NORMAL)
    ]
    scan = only(scans(acqs, xml((32, 24, 1), (32, 24, 1), (64, 48, 4), (64, 48, 4), slices=4)))
    assert scan.n_slices == 2 and any("slices 0, 2 of 4 have no record" in note for note in scan.notes)


# Frames


def test_every_frame_is_there():
    acqs = []
    for contrast in range(2):
        for repetition in range(3):
            place = (6.0 * repetition, 8.0 * contrast)
            acqs += acquire(place, (32, 24), (64, 48), contrast=contrast, repetition=repetition)
    acqs += acquire(SPOT, (32, 24), (64, 48), which=range(4), contrast=1, repetition=3)  # broken off
    more = "<sequenceParameters><TR>500</TR><TE>4.5</TE><TE>9.5</TE></sequenceParameters>"
    header = xml((32, 24, 1), (32, 24, 1), (64, 48, 4), (64, 48, 4), more=more)
    found = scans(acqs, header)
    assert [scan.frame for scan in found] == [{"contrast": c, "repetition": r} for c in range(2) for r in range(3)]
    for scan in found:
        place = (6.0 * scan.frame["repetition"], 8.0 * scan.frame["contrast"])
        np.testing.assert_allclose(found_at(scan), patient(place), atol=0.2)
        assert scan.facts.echo_times == ((4.5,), (9.5,))[scan.frame["contrast"]]
        assert scan.facts.repetition_times == (500,)
        assert any("left out (contrast 1, repetition 3)" in note for note in scan.notes)
    assert len({scan.key for scan in found}) == 6


def test_frames_undersampled_over_time_share_their_centre():
    acqs = []
    for phase in range(4):
        acqs += acquire(SPOT, (32, 24), (64, 48), which=range(phase, 24, 4), phase=phase)
    found = scans(acqs, xml((32, 24, 1), (32, 24, 1), (64, 48, 4), (64, 48, 4)))
    assert [int(np.flatnonzero(scan.mask)[0]) for scan in found] == [0, 1, 2, 3]
    whole = only(scans(acquire(SPOT, (32, 24), (64, 48)), xml((32, 24, 1), (32, 24, 1), (64, 48, 4), (64, 48, 4))))
    for scan in found:
        np.testing.assert_allclose(scan.calibration, whole.kspace, atol=1e-6)
        assert any("4 frames together" in note for note in scan.notes)


# Slices that share their places, and counters from one


def slices_at(heights, size=(32, 24), fov=(64, 48), tables=None, first=0, said=None):
    acqs = []
    for number, height in enumerate(heights):
        some = acquire(SPOT, size, fov, slice=first + number, position=CENTRE + height * NORMAL)
        for one in some:
            one.patient_table_position[2] = 0 if tables is None else tables[number]
        acqs += some
    return scans(acqs, xml((*size, 1), (*size, 1), (*fov, 4), (*fov, 4), slices=said or len(heights)))


def heights_of(scan):
    return [round(float((np.array(p) - CENTRE) @ NORMAL)) for p in scan.geometry.positions]


@pytest.mark.parametrize(
    ("heights", "tables", "stacks"),
    [
        # Two stations, of which the last slice of one is the first of the other.
        ((0, 6, 12, 12, 18, 24), None, [[0, 6, 12], [12, 18, 24]]),
        # Interleaved within each station: the table tells them apart.
        ((0, 12, 6, 18, 30, 12, 24), (0, 0, 0, 0, 300, 300, 300), [[0, 6, 12, 18], [12, 24, 30]]),
        # A whole stack measured twice, slice by slice or one after the other.
        ((0, 0, 6, 6, 12, 12), None, [[0, 6, 12], [0, 6, 12]]),
        ((0, 6, 12, 0, 6, 12), None, [[0, 6, 12], [0, 6, 12]]),
    ],
)
def test_slices_that_share_their_places_are_stacks_of_known_place(heights, tables, stacks):
    found = slices_at(heights, tables=tables)
    assert [heights_of(scan) for scan in found] == stacks
    assert [scan.stack for scan in found] == list(range(len(stacks)))
    assert all(is_known(scan.geometry, scan.n_slices) for scan in found)
    assert all(any("lie where others do" in note for note in scan.notes) for scan in found)


@pytest.mark.parametrize("heights", [(0, 0, 0, 0), (6, 0, 0, 0)])
def test_positions_that_nobody_wrote_are_not_known(heights):
    scan = only(slices_at(heights))
    assert scan.n_slices == 4 and not is_known(scan.geometry, 4)
    assert any("positions are taken as not known" in note for note in scan.notes)


@pytest.mark.parametrize(("first", "said", "missing"), [(1, 3, False), (1, None, False), (1, 5, True), (0, 3, False)])
def test_slices_counted_from_one_are_all_there(first, said, missing):
    scan = only(slices_at((0, 6, 12), first=first, said=said))
    assert scan.n_slices == 3 and any("have no record" in note for note in scan.notes) == missing


def test_limits_from_one_say_how_many_slices_there_are():
    text = xml((32, 24, 1), (32, 24, 1), (64, 48, 4), (64, 48, 4), slices=4)
    text = text.replace("<slice><minimum>0</minimum><maximum>3", "<slice><minimum>1</minimum><maximum>4")
    assert parse_header(text, Path("made.h5")).slices == 4
