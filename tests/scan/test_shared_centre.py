"""Frames of which only one, or only all together, measured the centre of k-space."""

import numpy as np
import pytest
from made_scans import make_scan
from spots import CENTRE, NORMAL, acquire, record, scans, signal, xml

from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.movies import frames_in_turn, reconstruct_frame
from rsd_mri.reconstruction.reconstruct import CPU
from rsd_mri.scan.reading import read_scans
from rsd_mri.scan.records import CALIBRATION
from rsd_mri.scan.shared_centre import frame_with_centre

SPOT = (9.0, -6.0)
SIZE, FOV = (32, 24), (64, 48)
HEADER = xml((*SIZE, 1), (*SIZE, 1), (*FOV, 4), (*FOV, 4))
EVEN = list(range(0, 24, 2))
WITH_CENTRE = sorted({*EVEN, *range(6, 18)})


def test_a_centre_that_one_echo_measured_is_not_mixed_with_lines_of_others():
    """The second echo has 0.4 of the first's signal: a mean over both would weigh every second line down."""
    acqs = acquire(SPOT, SIZE, FOV, which=WITH_CENTRE, contrast=0)
    for one in acquire(SPOT, SIZE, FOV, which=EVEN, contrast=1):
        one.data[:] *= 0.4
        acqs.append(one)
    found = scans(acqs, HEADER)
    whole = scans(acquire(SPOT, SIZE, FOV), HEADER)[0]
    for scan in found:
        np.testing.assert_allclose(scan.calibration, whole.kspace[..., 6:19], atol=1e-6)
        assert any("the frame contrast 0" in note for note in scan.notes)


def test_volumes_of_which_the_first_is_full_share_its_centre():
    n, fov = (32, 24, 10), (64.0, 48.0, 40.0)
    kspace = signal([(np.arange(m) - m // 2) / f for m, f in zip(n, fov, strict=True)], (6.0, 0.0, 4.0))
    some = [(i, j) for i in range(24) for j in range(10) if (i + j) % 2 == 0 or (abs(i - 12) < 2 and abs(j - 5) < 2)]
    every = [(i, j) for i in range(24) for j in range(10)]
    acqs = [
        record(kspace[:, :, i, j], i, centre=16, kspace_encode_step_2=j, contrast=contrast, position=CENTRE)
        for contrast, places in enumerate((every, some)) for i, j in places
    ]  # fmt: skip
    full, rest = scans(acqs, xml(n, n, fov, fov, partitions=(0, 9, 5)))
    assert full.mask.all() and rest.mask.shape == (24, 10) and not rest.mask.all()
    for scan in (full, rest):
        np.testing.assert_allclose(scan.calibration, full.kspace, atol=1e-6)


def test_volumes_undersampled_in_turn_share_their_mean():
    n, fov = (32, 24, 10), (64.0, 48.0, 40.0)
    kspace = signal([(np.arange(m) - m // 2) / f for m, f in zip(n, fov, strict=True)], (6.0, 0.0, 4.0))
    acqs = [
        record(kspace[:, :, i, j], i, centre=16, kspace_encode_step_2=j, phase=(i + j) % 2)
        for i in range(24) for j in range(10)
    ]  # fmt: skip
    header = xml(n, n, fov, fov, partitions=(0, 9, 5))
    whole = scans([record(kspace[:, :, i, j], i, centre=16, kspace_encode_step_2=j)
                   for i in range(24) for j in range(10)], header)[0]  # fmt: skip
    for scan in scans(acqs, header):
        np.testing.assert_allclose(scan.calibration, whole.kspace, atol=1e-6)


@pytest.mark.parametrize(
    ("counter", "lines", "chosen"),
    [
        ("contrast", [range(24), range(24)], None),
        ("contrast", [range(0, 24, 2), range(1, 24, 2)], None),
        ("contrast", [EVEN, WITH_CENTRE], 1),
        ("phase", [EVEN, range(24)], 1),
        ("contrast", [range(8, 16), range(0, 24, 2), range(4, 20)], 2),
        # The same object at other times has a centre much wider than any time's alone.
        ("phase", [range(8, 16), range(0, 24, 2), range(4, 20)], None),
    ],
)
def test_a_frame_is_chosen_where_others_have_no_centre(counter, lines, chosen):
    frames = [
        make_scan((1, 3, 32, 24), mask=np.isin(np.arange(24), list(some)), frame={counter: number})
        for number, some in enumerate(lines)
    ]
    assert frame_with_centre(frames) == chosen


def test_echoes_of_an_array_are_those_that_each_would_be_with_the_first_ones_maps(tmp_path):
    """Two echoes [64 x 48], the second a fainter one without a centre: the image has no ghost at half its field."""
    size = (64, 48)
    x, y = np.meshgrid(*[(np.arange(n) - n // 2) / n for n in size], indexing="ij")
    image = ((x / 0.3) ** 2 + ((y + 0.05) / 0.35) ** 2 < 1) * (1 + 0.5 * (x > 0))
    maps = np.stack([np.exp(-((x - a) ** 2 + (y - b) ** 2) + 1j * (a * x + b * y)) for a, b in
                     ((0.5, 0.5), (-0.5, 0.5), (0.5, -0.5), (-0.5, -0.5))])  # fmt: skip
    maps /= np.sqrt((np.abs(maps) ** 2).sum(0))
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(maps * image, axes=(1, 2)), norm="ortho"), axes=(1, 2))
    rng = np.random.default_rng(0)
    echoes = np.stack([kspace, 0.3 * kspace])
    echoes = echoes + 0.002 * (rng.standard_normal(echoes.shape) + 1j * rng.standard_normal(echoes.shape))
    echoes[1, ..., 1::2] = 0
    full = np.isin(np.arange(48), [*range(0, 48, 2), *range(12, 36)])
    echoes[0] *= full
    path = tmp_path / "echoes.cfl"
    np.ascontiguousarray(echoes.transpose(0, 1, 3, 2)).astype("<c8").tofile(path)
    path.with_suffix(".hdr").write_text("# Dimensions\n64 48 1 4 1 2 1 1 1 1 1 1 1 1 1 1\n")
    found = read_scans(path)
    assert [scan.frame for scan in found] == [{"contrast": 0}, {"contrast": 1}]
    frames = list(frames_in_turn(found, None, CLASSICAL["cg-sense"], CPU))
    for frame, gain in zip(frames, (1, 0.3), strict=True):
        got = reconstruct_frame(frame, held_out=False).magnitude[0]
        assert np.linalg.norm(got - gain * image) < 0.1 * gain * np.linalg.norm(image)


# Calibration lines


def with_lines_of_their_own(first=0, slices=1, lacking=()):
    """Every second line of slices, and calibration lines 6 to 17 of most of them, counted from `first`."""
    acqs = []
    for s in range(slices):
        where = {"slice": s, "position": CENTRE + 6.0 * s * NORMAL}
        acqs += acquire(SPOT, SIZE, FOV, which=EVEN, amplitude=1 + s, **where)
        if s not in lacking:
            own = acquire(SPOT, SIZE, FOV, which=range(6, 18), first=first, flags=(CALIBRATION,), **where)
            for one in own:
                one.data[:] *= 3 + s
            acqs += own
    mode = "<parallelImaging><calibrationMode>separate</calibrationMode></parallelImaging></encoding>"
    header = xml((*SIZE, 1), (*SIZE, 1), (*FOV, 4), (*FOV, 4), slices=slices).replace("</encoding>", mode)
    return scans(acqs, header)[0]


@pytest.mark.parametrize("first", [0, 6, -6])
def test_calibration_lines_counted_by_themselves_are_centred_at_their_peak(first):
    scan = with_lines_of_their_own(first)
    whole = scans(acquire(SPOT, SIZE, FOV), HEADER)[0].kspace
    np.testing.assert_allclose(scan.calibration, 3 * whole[..., 6:18], atol=1e-6)


def test_a_slice_without_calibration_lines_takes_those_of_its_neighbour():
    scan = with_lines_of_their_own(slices=5, lacking=(3,))
    whole = scans(acquire(SPOT, SIZE, FOV), HEADER)[0].kspace[0, ..., 6:18]
    for s, gain in enumerate((3, 4, 5, 5, 7)):
        np.testing.assert_allclose(scan.calibration[s], gain * whole, atol=1e-5)
    assert any("1 slices (3) are missing" in note for note in scan.notes)


def test_calibration_lines_of_less_than_half_of_the_slices_are_left_out():
    scan = with_lines_of_their_own(slices=4, lacking=(0, 1, 3))
    assert scan.calibration is None and any("most slices" in note for note in scan.notes)
