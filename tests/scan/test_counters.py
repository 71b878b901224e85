"""Counters that do not count what the format says: spots in closed form come out at their place all the same."""

import numpy as np
import pytest
from spots import CENTRE, NORMAL, PHASE, READ, acquire, axes_of_samples, found_at, patient, record, scans, signal, xml

SPOT = (9.0, -21.0)
PLAIN = ((64, 48, 1), (64, 48, 1), (128, 96, 4), (128, 96, 4))
VOLUME, FOV, PLACE = (32, 24, 16), (64.0, 48.0, 48.0), (6.0, 7.0, -4.0)
"""A volume of cubes of 2, 2 and 3 mm, and the spot in it."""


def slices(count, counters):
    """Records of slices 5 mm apart, of which each holds the spot 2 mm on, with the counters of each."""
    return [
        one
        for n in range(count)
        for one in acquire((SPOT[0], SPOT[1] + 2 * n), (64, 48), (128, 96), position=CENTRE + 5 * n * NORMAL,
                           **counters(n))
    ]  # fmt: skip


def volume(counters, position=lambda j: CENTRE, first=(0, 0)):
    """Records of the volume, a partition after the other; the last index of each axis lies past `first`."""
    kspace = signal([axes_of_samples(n, n // 2, f) for n, f in zip(VOLUME, FOV, strict=True)], PLACE, width=5.0)
    return [
        record(kspace[:, :, i, j], i + first[0], centre=16, position=position(j), **counters(j + first[1]))
        for j in range(VOLUME[2])
        for i in range(VOLUME[1])
    ]


def check_volume(scan):
    """The spot lies where it is in the patient, in voxels of 2 x 2 x 3 mm, and nothing is missing."""
    assert scan.kspace.shape == (32, 3, 24, 16) and scan.realised_acceleration == 1
    np.testing.assert_allclose(scan.geometry.voxel_size, (2, 3, 2))
    index = int((np.abs(scan.kspace) ** 2).sum(axis=(1, 2, 3)).argmax())
    truth = CENTRE + PLACE[0] * READ + PLACE[1] * PHASE + PLACE[2] * NORMAL
    off = found_at(scan, index) - truth
    assert abs((np.array(scan.geometry.positions[index]) - truth) @ READ) <= 1.01
    assert abs(off @ PHASE) < 0.4 and abs(off @ NORMAL) < 0.4


@pytest.mark.parametrize("limits", [(-24, 23, 0), (65512, 23, 0), (0, 47, 24), None])
def test_counters_below_zero_count_on(limits):
    lines = acquire(SPOT, (64, 48), (128, 96))
    for one in lines:
        one.idx.kspace_encode_step_1 = (one.idx.kspace_encode_step_1 - 24) % 65536
    header = xml(*PLAIN, lines=limits or (0, 47, 24))
    header = header if limits else header[: header.index("<encodingLimits>")] + header[header.index("<trajectory>") :]
    (scan,) = scans(lines, header)
    assert scan.size == (64, 48) and scan.realised_acceleration == 1
    np.testing.assert_allclose(found_at(scan), patient(SPOT), atol=0.3)
    assert any("negative down to -24" in note for note in scan.notes)


def test_partitions_below_zero_count_on():
    lines = volume(lambda j: {"kspace_encode_step_2": (j - 8) % 65536})
    check_volume(*scans(lines, xml(VOLUME, VOLUME, FOV, FOV, partitions=(-8, 7, 0))))


@pytest.mark.parametrize("first", [1, 7])
@pytest.mark.parametrize("said", [True, False])
def test_counters_that_begin_later_fill_the_header_s_matrix(first, said):
    lines = volume(lambda j: {"kspace_encode_step_2": j}, first=(first, first))
    limits = {"lines": (first, first + 23, first + 12), "partitions": (first, first + 15, first + 8)}
    header = xml(VOLUME, VOLUME, FOV, FOV, **limits)
    if not said:
        header = header[: header.index("<encodingLimits>")] + header[header.index("<trajectory>") :]
    check_volume(*scans(lines, header))


def test_a_header_whose_readout_is_the_phase_encode_is_turned():
    lines = acquire(SPOT, (64, 48), (128, 96))
    (scan,) = scans(lines, xml((48, 64, 1), (48, 64, 1), (96, 128, 4), (96, 128, 4), lines=(0, 47, 24)))
    assert scan.size == scan.image_size == (64, 48)
    np.testing.assert_allclose(scan.geometry.voxel_size[:2], (2, 2))
    np.testing.assert_allclose(found_at(scan), patient(SPOT), atol=0.3)
    assert any("were exchanged" in note for note in scan.notes)


@pytest.mark.parametrize("count", [5, 12])
@pytest.mark.parametrize("twice", [True, False])
def test_slices_counted_as_partitions_are_slices(count, twice):
    def counters(n):
        return {"kspace_encode_step_2": n, "slice": n if twice else 0}

    (scan,) = scans(slices(count, counters), xml(*PLAIN, slices=count))
    assert scan.n_slices == count
    for n in range(count):
        place = patient((SPOT[0], SPOT[1] + 2 * n), CENTRE + 5 * n * NORMAL)
        np.testing.assert_allclose(found_at(scan, n), place, atol=0.3)
    assert any("they are taken as slices" in note for note in scan.notes)


@pytest.mark.parametrize("step", [0.0, 3.0])
@pytest.mark.parametrize("twice", [True, False])
def test_partitions_counted_as_slices_are_a_volume(step, twice):
    def counters(j):
        return {"slice": j, "kspace_encode_step_2": j if twice else 0}

    lines = volume(counters, lambda j: CENTRE + step * (j - 7.5) * NORMAL)
    (scan,) = scans(lines, xml(VOLUME, VOLUME, FOV, FOV, slices=16))
    check_volume(scan)
    assert any("partitions of one volume" in note for note in scan.notes)


def test_partitions_with_positions_of_their_own_lie_about_the_middle():
    lines = volume(lambda j: {"kspace_encode_step_2": j}, lambda j: CENTRE + 3 * (j - 7.5) * NORMAL)
    (scan,) = scans(lines, xml(VOLUME, VOLUME, FOV, FOV, partitions=(0, 15, 8)))
    check_volume(scan)
    assert any("position of its own" in note for note in scan.notes)


def test_a_few_records_of_more_coils_do_not_take_the_place_of_the_image():
    lines = acquire(SPOT, (64, 48), (128, 96))
    more = acquire(SPOT, (64, 48), (128, 96), which=(2, 30))
    for one in more:
        wide = np.concatenate([one.data, one.data])
        one.resize(wide.shape[1], wide.shape[0])
        one.data[:] = wide
    (scan,) = scans(lines + more, xml(*PLAIN))
    assert scan.n_coils == 3 and scan.realised_acceleration == 1
    assert any("2 records of another coil array (6 coils) were left out" in note for note in scan.notes)


def test_records_of_zeros_are_no_average():
    lines = acquire(SPOT, (64, 48), (128, 96), average=0)
    empty = acquire(SPOT, (64, 48), (128, 96), average=1)
    for one in empty[::2]:
        one.data[:] = 0
    (scan,) = scans(lines + empty, xml(*PLAIN))
    (alone,) = scans(lines, xml(*PLAIN))
    np.testing.assert_allclose(scan.kspace, alone.kspace, atol=1e-6)


def test_a_frame_that_lacks_lines_of_the_others_is_named():
    lines = [one for n in range(3) for one in acquire(SPOT, (64, 48), (128, 96), which=range(48 if n < 2 else 30),
                                                      repetition=n)]  # fmt: skip
    found = scans(lines, xml(*PLAIN))
    assert len(found) == 3
    assert any("1 frames hold fewer lines" in note and "repetition 2: 30" in note for note in found[0].notes)
