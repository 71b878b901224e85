"""Echo-planar readouts: no ghost, by navigator lines or found from the data, and ramps by the header's timing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rsd_mri.errors import InputError
from rsd_mri.files.slices import Slices
from rsd_mri.scan import measurement
from rsd_mri.scan.echo_planar import mended_array
from rsd_mri.scan.epi import Readout, found, navigated, readout_timing, regridded, regridding
from rsd_mri.scan.header import Header, parse_header
from rsd_mri.scan.measurement import scans_of
from rsd_mri.scan.records import HEAD_TYPE, PHASE_CORRECTION, REVERSE, Records

N, LINES, COILS = 64, 48, 4
BLOBS = ((0.10, -0.12, 0.11, 1.0), (-0.18, 0.10, 0.07, 1.6), (0.02, 0.24, 0.05, 0.8))
"""Centre along readout and phase encode, width, height; the field of view is 1."""


def analytic(kx, ky, coil):
    """K-space of Gaussian blobs at any place [cycles per field of view], seen by a coil with a linear phase."""
    total = np.zeros(np.broadcast(kx, ky).shape, complex)
    for x, y, width, height in BLOBS:
        gain = height * np.exp(0.8 * np.cos(coil) * x + 0.8 * np.sin(coil) * y)
        shape = np.exp(-2 * (np.pi * width) ** 2 * (kx**2 + ky**2)) * 2 * np.pi * width**2
        total += gain * shape * np.exp(-2j * np.pi * (kx * x + ky * y)) * np.exp(1j * coil)
    return total


KX, KY = np.arange(N) - N // 2, np.arange(LINES) - LINES // 2
TRUE = np.stack([analytic(KX[:, None], KY, c) for c in range(COILS)]).astype(np.complex64)


def delayed(lines, delay, phase):
    """Lines [..., sample] as read `delay` samples late, with a constant phase."""
    x = np.arange(N) - N // 2
    image = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(lines, axes=-1)), axes=-1)
    turn = np.exp(2j * np.pi * delay * x / N + 1j * phase)
    return np.fft.fftshift(np.fft.fft(np.fft.ifftshift(image * turn, axes=-1)), axes=-1).astype(np.complex64)


def records_of(kspace, delay, phase, navigators=True, every=1, header=None):
    """Records of an EPI: odd lines read backwards, late and out of phase, three navigator lines first."""
    lines = [(True, i, N // 2 + 0 * i) for i in (0, 1, 2)] if navigators else []
    lines += [(False, i, 0) for i in range(0, LINES, every)]
    heads, data = np.zeros(len(lines), HEAD_TYPE), []
    for number, (navigator, i, _) in enumerate(lines):
        backward = (i // (1 if navigator else every)) % 2 == 1
        line = kspace[:, :, LINES // 2 if navigator else i]
        line = delayed(line, delay, phase)[:, ::-1] if backward else line
        one = heads[number : number + 1]
        one["number_of_samples"], one["active_channels"], one["sample_time_us"] = N, COILS, 5.0
        one["center_sample"] = N - 1 - N // 2 if backward else N // 2
        one["idx"]["kspace_encode_step_1"] = LINES // 2 if navigator else i
        for flag in [REVERSE] * backward + [PHASE_CORRECTION] * navigator:
            one["flags"] |= np.uint64(1) << np.uint64(flag - 1)
        data.append(np.ascontiguousarray(line, np.complex64))
    header = header or Header(encoded=(N, LINES, 1), trajectory="epi")
    return Records(heads, lambda chosen: ((int(i), data[i]) for i in chosen), header, None, Path("epi.h5"))


def magnitude(kspace):
    axes = (-2, -1)
    image = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes=axes), axes=axes), axes=axes)
    return np.sqrt((np.abs(image) ** 2).sum(axis=-3))


def error(kspace):
    truth = magnitude(TRUE)
    return np.linalg.norm(magnitude(kspace) - truth) / np.linalg.norm(truth)


def test_left_alone_the_ghost_is_there():
    ghosted = TRUE.copy()
    ghosted[..., 1::2] = delayed(TRUE.swapaxes(1, 2), 0.7, 0.5).swapaxes(1, 2)[..., 1::2]
    assert error(ghosted) > 0.3


@pytest.mark.parametrize("delay, phase", [(0.7, 0.5), (-1.3, -0.8), (0.0, 1.2), (0.0, 0.0)])
def test_navigator_lines_remove_the_ghost(delay, phase):
    scan = scans_of(records_of(TRUE, delay, phase))[0]
    assert error(scan.kspace[0]) < 1e-3
    assert any("3 navigator lines;" in note for note in scan.notes)


@pytest.mark.parametrize("delay, phase", [(0.7, 0.5), (-1.3, -0.8), (0.0, 1.2)])
def test_without_navigators_the_difference_is_found_from_the_data(delay, phase):
    scan = scans_of(records_of(TRUE, delay, phase, navigators=False))[0]
    assert error(scan.kspace[0]) < 0.02
    assert any("found from the data" in note for note in scan.notes)


def test_navigators_that_miss_the_difference_are_mended_from_the_data():
    wrong = records_of(TRUE, 0.9, 0.4)
    right = records_of(TRUE, 0.0, 0.0)

    def samples(chosen):
        for index in chosen:
            yield from (right if index < 3 else wrong).samples([index])

    scan = scans_of(replace(wrong, samples=samples))[0]
    assert error(scan.kspace[0]) < 0.02
    assert any("which left" in note for note in scan.notes)


def test_an_undersampled_epi_has_its_ghost_removed_by_navigators_only():
    scan = scans_of(records_of(TRUE, 0.7, 0.5, every=2))[0]
    kept = scan.kspace[0][..., ::2]
    assert np.linalg.norm(np.abs(kept) - np.abs(TRUE[..., ::2])) < 0.4 * np.linalg.norm(TRUE[..., ::2])
    assert error(np.where(scan.mask, scan.kspace[0], TRUE * _half_turn(0.7, 0.5))) < 1e-3
    with pytest.raises(InputError, match="without phase-correction records"):
        scans_of(records_of(TRUE, 0.7, 0.5, navigators=False, every=2))


def _half_turn(delay, phase):
    """What remains on all lines alike: half of the difference, a phase of the image; here as a factor of k-space."""
    half = delayed(TRUE.swapaxes(1, 2), delay / 2, phase / 2).swapaxes(1, 2)
    return np.divide(half, TRUE, out=np.ones_like(half), where=TRUE != 0)


def test_the_difference_found_is_that_put_in():
    even = np.arange(LINES) % 2 == 0
    late = delayed(TRUE.swapaxes(1, 2), 0.6, 0.3).swapaxes(1, 2)
    phase = found(np.where(even, TRUE, 0)[None], np.where(even, 0, late)[None])
    x = np.arange(N) - N // 2
    expected = -(2 * np.pi * 0.6 * x / N + 0.3)
    inside = np.abs(x) < N // 4
    assert np.abs(phase - expected)[inside].max() < 0.05
    exact = navigated(TRUE[None, :, :, LINES // 2], delayed(TRUE[:, :, LINES // 2], 0.6, 0.3)[None])
    assert np.abs(exact - expected).max() < 1e-3


TIMING = Readout(up=100.0, flat=200.0, down=100.0, delay=20.0, dwell=360.0 / N)


def test_samples_on_ramps_are_regridded_to_the_closed_form():
    places = TIMING.positions(N)
    assert np.ptp(np.diff(places)) > 0.5  # far from even
    samples = np.stack([analytic(places, 3.0, c) for c in range(COILS)]).astype(np.complex64)
    even = np.stack([analytic(KX, 3.0, c) for c in range(COILS)])
    done = regridded(samples, regridding(TIMING, N))
    assert np.linalg.norm(samples - even) > 0.2 * np.linalg.norm(even)
    assert np.linalg.norm(done - even) < 5e-3 * np.linalg.norm(even)


def test_positions_are_the_integral_of_the_trapezoid():
    fine = np.linspace(0, 400, 400001)
    travelled = np.concatenate([[0], np.cumsum((TIMING.gradient(fine)[1:] + TIMING.gradient(fine)[:-1]) / 2) * 1e-3])
    middle = 20 + 360 / N * (np.arange(N) + 0.5)
    span = np.interp(380, fine, travelled) - np.interp(20, fine, travelled)
    expected = (np.interp(middle, fine, travelled) - np.interp(200, fine, travelled)) / span * N
    assert np.abs(TIMING.positions(N) - expected).max() < 0.01


def test_all_samples_on_the_plateau_stay():
    assert regridding(Readout(50, 400, 50, 60, 380 / N), N) is None


DESCRIPTION = """<ismrmrdHeader><encoding><trajectory>epi</trajectory><trajectoryDescription>
<identifier>ConventionalEPI</identifier>{}</trajectoryDescription></encoding></ismrmrdHeader>"""


def described(**values):
    tag = "<userParameterDouble><name>{}</name><value>{}</value></userParameterDouble>"
    return parse_header(DESCRIPTION.format("".join(tag.format(*pair) for pair in values.items())), Path("x"))


def test_timing_is_read_only_where_it_is_whole():
    whole = {"rampUpTime": 100, "flatTopTime": 200, "rampDownTime": 100, "acqDelayTime": 20, "dwellTime": 360 / N}
    assert readout_timing(described(**whole)) == TIMING
    for name in whole:
        assert readout_timing(described(**{k: v for k, v in whole.items() if k != name})) is None


@pytest.mark.parametrize("delay", [20, 35])
def test_a_whole_epi_with_ramps_comes_out_right(delay):
    timing = replace(TIMING, delay=delay)
    forth, back = timing.positions(N), -timing.positions(N)
    whole = {"rampUpTime": 100, "flatTopTime": 200, "rampDownTime": 100, "acqDelayTime": delay, "dwellTime": 360 / N}
    records = records_of(TRUE, 0.0, 0.0, header=replace(described(**whole), encoded=(N, LINES, 1)))
    data = []
    for one in records.head:
        places = back if int(one["flags"]) >> (REVERSE - 1) & 1 else forth
        ky = int(one["idx"]["kspace_encode_step_1"]) - LINES // 2
        data.append(np.stack([analytic(places, ky, c) for c in range(COILS)]).astype(np.complex64))
    scan = scans_of(replace(records, samples=lambda chosen: ((int(i), data[i]) for i in chosen)))[0]
    assert error(scan.kspace[0]) < 0.02
    assert any("regridded" in note for note in scan.notes)


def test_an_array_that_a_header_calls_an_epi_is_mended_or_refused():
    header = described()
    ghosted = TRUE.copy()
    ghosted[..., 1::2] = delayed(TRUE.swapaxes(1, 2), 0.7, 0.5).swapaxes(1, 2)[..., 1::2]
    mended, said = mended_array(ghosted[None], header, Path("x.h5"))
    assert error(mended[0]) < 0.02 and "removed" in said[0]
    same, said = mended_array(TRUE[None], header, Path("x.h5"))
    assert np.array_equal(same[0], TRUE) and "no ghost" in said[0]
    with pytest.raises(InputError, match="undersampled EPI as an array"):
        mended_array(np.where(np.arange(LINES) % 2, 0, TRUE)[None], header, Path("x.h5"))
    assert mended_array(ghosted[None], Header(), Path("x.h5"))[1] == ()


@pytest.mark.parametrize(("delay", "phase"), [(0.0, 0.0), (1.3, 0.7)])
def test_lines_that_lost_their_flag_are_said(delay, phase):
    def said(records):
        return any("have lost their flag" in note for scan in scans_of(records) for note in scan.notes)

    records = records_of(TRUE, delay, phase, navigators=False, header=Header(encoded=(N, LINES, 1)))
    assert not said(records)
    heads = records.head.copy()
    heads["flags"] &= ~(np.uint64(1) << np.uint64(REVERSE - 1))
    assert said(replace(records, head=heads))
    forth = records_of(TRUE, 0, 0, navigators=False, every=1, header=Header(encoded=(N, LINES, 1)))
    straight = dict(enumerate(np.ascontiguousarray(np.moveaxis(TRUE, -1, 0))))
    heads = heads.copy()
    heads["center_sample"] = N // 2
    assert not said(replace(forth, head=heads, samples=lambda chosen: ((int(i), straight[int(i)]) for i in chosen)))


PARTITIONS = 8
ALONG = np.exp(-2 * (np.pi * 0.12 * (np.arange(PARTITIONS) - 4)) ** 2 - 2j * np.pi * 0.1 * (np.arange(PARTITIONS) - 4))
DIRECTIONS = {
    "lines": lambda i, j: i % 2 == 1,
    "partitions": lambda i, j: j % 2 == 1,
    "both": lambda i, j: (i + j) % 2 == 1,
    "none": lambda i, j: False,
}


def volume_of(backward, delay=0.7, phase=0.5, navigators=False, every=1, trajectory="epi", twice=False):
    """Records of a volume of which `backward` lines were read back, late and out of phase."""
    lines = [(PHASE_CORRECTION, LINES // 2, 4, back) for back in (False, True, False)] if navigators else []
    pairs = [(i, j) for j in range(PARTITIONS) for i in range(0, LINES, every)]
    lines += [(None, i, j, backward(i, j)) for i, j in pairs]
    if twice:
        lines += [(None, i, j, not backward(i, j)) for i, j in pairs]
    heads, data = np.zeros(len(lines), HEAD_TYPE), []
    for number, (flag, i, j, back) in enumerate(lines):
        line = TRUE[:, :, i] * ALONG[j]
        one = heads[number : number + 1]
        one["number_of_samples"], one["active_channels"], one["sample_time_us"] = N, COILS, 5.0
        one["center_sample"] = N - 1 - N // 2 if back else N // 2
        one["idx"]["kspace_encode_step_1"], one["idx"]["kspace_encode_step_2"] = i, j
        for bit in [REVERSE] * back + [flag] * (flag is not None):
            one["flags"] |= np.uint64(1) << np.uint64(bit - 1)
        data.append(np.ascontiguousarray(delayed(line, delay, phase)[:, ::-1] if back else line, np.complex64))
    header = Header(encoded=(N, LINES, PARTITIONS), trajectory=trajectory)
    return Records(heads, lambda chosen: ((int(i), data[i]) for i in chosen), header, None, Path("epi.h5"))


def error_of_volume(scan):
    truth = magnitude(scans_of(volume_of(DIRECTIONS["none"]))[0].kspace)
    return np.linalg.norm(magnitude(scan.kspace) - truth) / np.linalg.norm(truth)


@pytest.mark.parametrize("along, trajectory", [("partitions", "epi"), ("both", "cartesian")])
def test_the_ghost_of_a_volume_is_found_from_the_data(along, trajectory):
    (scan,) = scans_of(volume_of(DIRECTIONS[along], trajectory=trajectory))
    assert error_of_volume(scan) < 0.02
    assert any("found from the data" in note for note in scan.notes)


@pytest.mark.parametrize("options", [{"navigators": True}, {"twice": True, "delay": 0.05, "phase": 0.15}])
def test_the_ghost_of_a_volume_is_measured_by_navigators_or_lines_read_both_ways(options):
    (scan,) = scans_of(volume_of(DIRECTIONS["lines"], **options))
    assert error_of_volume(scan) < 1e-3
    words = "3 navigator lines;" if "navigators" in options else "read both ways"
    assert any(words in note for note in scan.notes)


def test_the_ghost_of_a_volume_on_disk_is_removed_line_by_line(monkeypatch):
    monkeypatch.setattr(measurement, "LARGE", 1)
    (scan,) = scans_of(volume_of(DIRECTIONS["lines"]), streamed=True)
    assert isinstance(scan.kspace, Slices) and error_of_volume(replace(scan, kspace=np.asarray(scan.kspace))) < 0.02


def test_a_volume_of_which_nothing_tells_the_ghost_is_refused_or_said():
    with pytest.raises(InputError, match="without phase-correction records"):
        scans_of(volume_of(DIRECTIONS["lines"], every=3))
    (scan,) = scans_of(volume_of(DIRECTIONS["lines"], every=3, trajectory="cartesian"))
    assert any("a ghost may be left" in note for note in scan.notes)
