"""Noise and calibration from wherever they are: sibling groups, other files, other encodings; coils that are dead."""

import re

import numpy as np
import pytest
from spots import axes_of_samples, record, signal, xml

from rsd_mri.coils.noise import scan_noise
from rsd_mri.errors import InputError
from rsd_mri.scan import read_scan
from rsd_mri.scan.answers import Answers
from rsd_mri.scan.edges import foreign_samples
from rsd_mri.scan.record_writing import write_records
from rsd_mri.scan.records import CALIBRATION, CALIBRATION_AND_IMAGING, NOISE
from rsd_mri.scan.silent_coils import silent_coils

SIZE, FOV = (64, 48), (128.0, 96.0)
HEADER = {"encoded": (64, 48, 1), "recon": (64, 48, 1), "encoded_fov": (128, 96, 5), "recon_fov": (128, 96, 5)}
LEVELS = np.array([1.0, 2.0, 4.0])


def kspace(size=SIZE, fov=FOV, centre=None, noise=1e-3, place=(14.0, -9.0)):
    """A spot seen by three coils [coil, readout, phase]."""
    centre = centre or (size[0] // 2, size[1] // 2)
    axes = [axes_of_samples(n, c, f) for n, c, f in zip(size, centre, fov, strict=True)]
    rng = np.random.default_rng(4)
    white = rng.standard_normal((3, *size)) + 1j * rng.standard_normal((3, *size))
    return (signal(axes, place, width=8.0) + noise * white).astype(np.complex64)


def lines(k, which=None, first=0, **options):
    which = range(k.shape[2]) if which is None else which
    options.setdefault("centre", k.shape[1] // 2)
    return [record(k[:, :, i], i - first, **options) for i in which]


def noise_records(levels=LEVELS, count=4, dwell=5.0, flags=(NOISE,)):
    rng = np.random.default_rng(5)
    found = []
    for _ in range(count):
        white = rng.standard_normal((len(levels), 512)) + 1j * rng.standard_normal((len(levels), 512))
        one = record(np.asarray(levels)[:, None] * white / np.sqrt(2), 0, centre=256, flags=flags)
        one.sample_time_us = dwell
        found.append(one)
    return found


def labelled(names):
    label = "<coilLabel><coilNumber>{}</coilNumber><coilName>{}</coilName></coilLabel>"
    text = "".join(label.format(i, name) for i, name in enumerate(names))
    count = "<receiverChannels>3</receiverChannels>"
    return xml(**HEADER).replace(count, count + text)


def write(path, *groups):
    """Write (name, header, records) in turn."""
    for name, header, some in groups:
        write_records(path, header, some, name)
    return path


def spread(noise):
    return np.sqrt((np.abs(noise) ** 2).mean(axis=1))


# Noise


@pytest.mark.parametrize("names", [("dataset_1", "dataset_2"), ("dataset_9", "dataset_10")])
def test_noise_lies_in_a_sibling_and_the_image_in_the_last_by_number(tmp_path, names):
    image, noise = (names[1], xml(**HEADER), lines(kspace())), (names[0], xml(**HEADER), noise_records())
    scan = read_scan(write(tmp_path / "a.h5", image, noise))
    assert scan.kspace.shape == (1, 3, *SIZE)
    np.testing.assert_allclose(spread(scan.noise), LEVELS, rtol=0.1)
    assert any(names[0] in note and "noise was taken" in note for note in scan.notes)


def test_a_last_group_without_an_image_is_not_the_image(tmp_path):
    image, noise = ("dataset_1", xml(**HEADER), lines(kspace())), ("dataset_2", xml(**HEADER), noise_records())
    scan = read_scan(write(tmp_path / "a.h5", image, noise))
    np.testing.assert_allclose(spread(scan.noise), LEVELS, rtol=0.1)


@pytest.mark.parametrize("flags", [(NOISE,), ()])
def test_noise_in_a_file_of_its_own_is_scaled_by_the_dwell_times(tmp_path, flags):
    write(tmp_path / "a.h5", ("dataset", xml(**HEADER), lines(kspace())))
    write(tmp_path / "n.h5", ("dataset", xml(**HEADER), noise_records(dwell=20.0, flags=flags)))
    scan = read_scan(tmp_path / "a.h5", answers=Answers(noise=tmp_path / "n.h5"))
    np.testing.assert_allclose(spread(scan.noise), 2 * LEVELS, rtol=0.1)  # four times the bandwidth, twice the noise


def test_noise_of_an_array_goes_with_any_format(tmp_path):
    rng = np.random.default_rng(6)
    samples = LEVELS[:, None] * (rng.standard_normal((3, 900)) + 1j * rng.standard_normal((3, 900))) / np.sqrt(2)
    np.save(tmp_path / "n.npy", samples)
    np.save(tmp_path / "a.npy", kspace())
    write(tmp_path / "a.h5", ("dataset", xml(**HEADER), lines(kspace())))
    for name in ("a.npy", "a.h5"):
        scan = read_scan(tmp_path / name, answers=Answers(noise=tmp_path / "n.npy"))
        np.testing.assert_allclose(spread(scan.noise), LEVELS, rtol=0.1)
    np.save(tmp_path / "two.npy", samples[:2])
    with pytest.raises(InputError, match="no noise of 3 coils"):
        read_scan(tmp_path / "a.npy", answers=Answers(noise=tmp_path / "two.npy"))
    with pytest.raises(InputError, match=re.escape("[coil, sample]")):
        read_scan(tmp_path / "a.npy", answers=Answers(noise=tmp_path / "a.npy"))


def test_coils_in_another_order_are_sorted_by_label(tmp_path):
    image = ("dataset_2", labelled(["A", "B", "C"]), lines(kspace()))
    noise = ("dataset_1", labelled(["C", "A", "B"]), noise_records(levels=LEVELS[[2, 0, 1]]))
    scan = read_scan(write(tmp_path / "a.h5", image, noise))
    np.testing.assert_allclose(spread(scan.noise), LEVELS, rtol=0.1)
    assert any("by their labels" in note for note in scan.notes)


def test_a_coil_that_is_silent_in_the_noise_scan_gets_its_noise_from_the_data(tmp_path):
    k = kspace(noise=0.02)
    levels = np.array([0.02, 0.0, 0.02]) * np.sqrt(2)
    scan = read_scan(write(tmp_path / "a.h5", ("dataset", xml(**HEADER), noise_records(levels=levels) + lines(k))))
    assert any("coil 1 is silent in the noise scan" in note for note in scan.notes)
    found = scan_noise(scan)
    covariance, source = found.covariance, found.source
    assert source == "scan"
    np.testing.assert_allclose(np.sqrt(np.diag(covariance).real), 0.02 * np.sqrt(2), rtol=0.35)
    assert silent_coils(scan.noise).tolist() == [False, True, False]


def test_a_coil_without_any_signal_is_said(tmp_path):
    k = kspace()
    k[2] = 0
    np.save(tmp_path / "a.npy", k)
    assert any("coil 2 is without any signal" in note for note in read_scan(tmp_path / "a.npy").notes)


# Calibration


def calibration_scan(tmp_path, k=None, header=None):
    return write(tmp_path / "c.h5", ("dataset", header or xml(**HEADER), lines(kspace() if k is None else k)))


def test_a_calibration_scan_beside_the_scan(tmp_path):
    write(tmp_path / "a.h5", ("dataset", xml(**HEADER), lines(kspace(), range(0, 48, 3))))
    scan = read_scan(tmp_path / "a.h5", answers=Answers(calibration=calibration_scan(tmp_path)))
    np.testing.assert_allclose(scan.calibration[0], kspace(), atol=1e-6)
    assert any("learned from c.h5" in note for note in scan.notes)


def test_calibration_scans_that_do_not_fit_are_refused(tmp_path):
    path = write(tmp_path / "a.h5", ("dataset", xml(**HEADER), lines(kspace(), range(0, 48, 3))))

    def refused(words, **options):
        (tmp_path / "c.h5").unlink(missing_ok=True)
        with pytest.raises(InputError, match=words):
            read_scan(path, answers=Answers(calibration=calibration_scan(tmp_path, **options)))

    refused("2 coils", k=kspace()[:2])
    refused("field of view", header=xml(**{**HEADER, "encoded_fov": (256, 192, 5), "recon_fov": (256, 192, 5)}))


@pytest.mark.parametrize("flags", [(CALIBRATION,), ()])
@pytest.mark.parametrize(
    "size, fov", [((96, 48), FOV), ((32, 48), FOV), ((64, 48), (256.0, 96.0)), ((64, 96), (128.0, 192.0))]
)
def test_calibration_in_an_encoding_of_its_own_is_brought_to_the_image_s(tmp_path, size, fov, flags):
    other = {"encoded": (*size, 1), "recon": (*size, 1), "encoded_fov": (*fov, 5), "recon_fov": (*fov, 5)}
    second = re.search("<encoding>.*</encoding>", xml(**other, lines=(0, 23, 12)))[0]
    middle = range(size[1] // 2 - 12, size[1] // 2 + 12)
    reference = lines(kspace(size, fov), middle, first=middle[0], flags=flags)
    for one in reference:
        one.encoding_space_ref = 1
    image = lines(kspace(), range(0, 48, 2))
    scan = read_scan(write(tmp_path / "a.h5", ("dataset", xml(**HEADER, more=second), reference + image)))
    assert scan.realised_acceleration == pytest.approx(2.0, abs=0.05)
    found = scan.calibration[0]
    rows = min(found.shape[-2], SIZE[0])
    ours = found[:, found.shape[-2] // 2 - rows // 2 : found.shape[-2] // 2 - rows // 2 + rows]
    columns = ours.shape[-1]
    truth = kspace(noise=0)[:, 32 - rows // 2 : 32 - rows // 2 + rows, 24 - columns // 2 : 24 - columns // 2 + columns]
    assert columns >= 10
    # Up to a factor, which coil maps do not know.
    factor = np.vdot(ours, truth) / np.vdot(ours, ours)
    assert np.linalg.norm(factor * ours - truth) < 0.1 * np.linalg.norm(truth)


def test_lines_flagged_as_calibration_between_those_of_the_image_belong_to_it(tmp_path):
    k = kspace()
    some = lines(k, range(0, 48, 2)) + lines(k, range(15, 34, 2), flags=(CALIBRATION,))
    scan = read_scan(write(tmp_path / "a.h5", ("dataset", xml(**HEADER), some)))
    assert scan.calibration is None
    assert scan.mask[14:35].all() and scan.mask.sum() == 24 + 10


def test_reference_lines_that_cover_the_centre_stay_apart(tmp_path):
    k = kspace()
    both = (CALIBRATION_AND_IMAGING,)
    some = [one for i in range(0, 48, 2) for one in lines(k, [i], flags=both if 14 <= i < 34 else ())]
    some += lines(k, range(15, 34, 2), flags=(CALIBRATION,))
    scan = read_scan(write(tmp_path / "a.h5", ("dataset", xml(**HEADER), some)))
    assert scan.mask.sum() == 24 and scan.calibration.shape[-1] >= 19


def test_the_separate_calibration_of_a_volume(tmp_path):
    header = xml((32, 24, 16), (32, 24, 16), (64, 48, 32), (64, 48, 32), partitions=(0, 15, 8))
    axes = [axes_of_samples(n, n // 2, f) for n, f in ((32, 64), (24, 48), (16, 32))]
    k = signal(axes, (6.0, -4.0, 3.0), width=5.0)
    rng = np.random.default_rng(8)
    k = k + 1e-4 * (rng.standard_normal(k.shape) + 1j * rng.standard_normal(k.shape))
    some = []
    for part in range(16):
        for i in range(24):
            if i % 2 == 0 and part % 2 == 0:
                some.append(record(k[:, :, i, part], i, centre=16, kspace_encode_step_2=part))
            if 6 <= i < 18 and 3 <= part < 13:
                options = {"flags": (CALIBRATION,), "kspace_encode_step_2": part}
                some.append(record(k[:, :, i, part], i, centre=16, **options))
    scan = read_scan(write(tmp_path / "a.h5", ("dataset", header, some)))
    assert scan.calibration.shape == (32, 3, 12, 10)
    hybrid = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(k, axes=1), axis=1, norm="ortho"), axes=1)
    truth = np.moveaxis(hybrid, 1, 0)[:, :, 6:18, 3:13]
    np.testing.assert_allclose(scan.calibration, truth, atol=1e-5)


# Samples that are no data


@pytest.mark.parametrize("before, after", [(3, 0), (0, 2), (2, 2)])
def test_loud_samples_at_the_ends_of_the_readout_are_left_out(tmp_path, before, after):
    k = kspace()
    k[:, :before], k[:, SIZE[0] - after :] = 5.0, -3.0
    scan = read_scan(write(tmp_path / "a.h5", ("dataset", xml(**HEADER), lines(k))))
    assert not scan.kspace[:, :, :before].any() and not scan.kspace[:, :, SIZE[0] - after :].any()
    assert scan.kspace[:, :, before : SIZE[0] - after].any(axis=(0, 1, 3)).all()
    assert any("no data" in note for note in scan.notes)
    clean = read_scan(write(tmp_path / "b.h5", ("dataset", xml(**HEADER), lines(kspace()))))
    ratio = np.trace(scan_noise(scan).covariance).real / np.trace(scan_noise(clean).covariance).real
    assert 0.4 < ratio < 2.2


def test_data_that_fade_are_left_alone():
    assert foreign_samples(kspace()[None]) == (0, 0)
    assert foreign_samples(replace_middle(kspace())[None]) == (0, 0)


def replace_middle(k):
    """The same with a partial echo: zeros at one end."""
    k = k.copy()
    k[:, :20] = 0
    return k
