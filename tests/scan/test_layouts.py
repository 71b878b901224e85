"""Arrays of k-space as open data sets hold them: axes, complex numbers, origin, masks, averages, frames."""

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from spots import xml

from rsd_mri.errors import InputError
from rsd_mri.scan.answers import Answers
from rsd_mri.scan.axes import settle_axes
from rsd_mri.scan.layouts import averaged
from rsd_mri.scan.reading import read_scan, read_scans, recognise

SLICES, COILS, READ, PHASE = 3, 6, 48, 40
U, V = np.meshgrid((np.arange(READ) - READ // 2) / READ, (np.arange(PHASE) - PHASE // 2) / PHASE, indexing="ij")
AXES = (-2, -1)


def fft(image):
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, axes=AXES), axes=AXES, norm="ortho"), axes=AXES)


def ifft(k):
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(k, axes=AXES), axes=AXES, norm="ortho"), axes=AXES)


def objects():
    """A slice's image [slice, readout, phase]: a body with a bright and a dark spot that wander."""
    found = []
    for s in range(SLICES):
        body = 1.0 / (1 + np.exp((np.hypot(U / 0.34, V / 0.38) - 1) * 12))
        bright = np.exp(-(((U - 0.1 + 0.1 * s) ** 2 + (V + 0.12) ** 2) / 0.004))
        dark = np.exp(-(((U + 0.12) ** 2 + (V - 0.15 + 0.14 * s) ** 2) / 0.005))
        found.append(body * (1 + 1.5 * bright - 0.7 * dark) * np.exp(1j * (0.4 + U - 0.6 * V)))
    return np.array(found)


def kspace(noise=0.003):
    """[slice, coil, readout, phase]."""
    angle = 2 * np.pi * np.arange(COILS) / COILS
    far = (U - 0.6 * np.cos(angle)[:, None, None]) ** 2 + (V - 0.6 * np.sin(angle)[:, None, None]) ** 2
    maps = np.exp(-far / 0.35) * np.exp(1j * (angle[:, None, None] + 0.8 * U * np.sin(angle)[:, None, None]))
    rng = np.random.default_rng(1)
    k = fft(objects()[:, None] * maps)
    return (k + noise * (rng.standard_normal(k.shape) + 1j * rng.standard_normal(k.shape))).astype(np.complex64)


K = kspace()
MASK = np.zeros(PHASE, bool)
MASK[::2] = MASK[PHASE // 2 - 6 : PHASE // 2 + 6] = True


def same(scan, k=K):
    np.testing.assert_allclose(scan.kspace, k, atol=1e-5)


def layout(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


# Real and imaginary part apart

PAIRS = [("kspace_real", "kspace_imag"), ("imag", "real"), ("kspace/re", "kspace/im"), ("Im_kspace", "Re_kspace")]


@pytest.mark.parametrize("names", PAIRS)
def test_real_and_imaginary_part_in_two_data_sets(tmp_path, names):
    parts = (K.imag, K.real) if names[0].lower().startswith("im") else (K.real, K.imag)
    same(read_scan(layout(tmp_path / "a.h5", **dict(zip(names, parts, strict=True)))))


def test_parts_of_coil_maps_are_no_kspace(tmp_path):
    path = layout(tmp_path / "a.h5", kspace=K, maps_real=K.real, maps_imag=K.imag)
    assert not any("maps" in note for note in read_scan(path).notes)
    with pytest.raises(InputError, match="neither kspace"):
        read_scan(layout(tmp_path / "b.h5", image_real=K.real, image_imag=K.imag))


# Axes


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (1, 0, 2, 3), (2, 3, 1, 0)])
def test_an_order_that_the_numbers_tell_is_found_and_said(tmp_path, order):
    np.save(tmp_path / "a.npy", K.transpose(order))
    scan = read_scan(tmp_path / "a.npy")
    same(scan)
    assert any("axes are taken as" in note for note in scan.notes)


def test_the_usual_order_is_left_alone(tmp_path):
    np.save(tmp_path / "a.npy", K)
    scan = read_scan(tmp_path / "a.npy")
    same(scan)
    assert not any("axes are taken" in note for note in scan.notes)


def test_missing_lines_tell_the_phase_encode(tmp_path):
    np.save(tmp_path / "a.npy", (K * MASK).swapaxes(-1, -2))
    scan = read_scan(tmp_path / "a.npy")
    same(scan, K * MASK)
    assert np.array_equal(scan.mask, MASK)


def test_named_axes_are_obeyed_and_checked(tmp_path):
    five = np.stack([K, 0.5 * K], axis=-1).transpose(0, 2, 3, 4, 1)
    np.save(tmp_path / "a.npy", five)
    with pytest.raises(InputError, match="--axes"):
        read_scan(tmp_path / "a.npy")
    scans = read_scans(tmp_path / "a.npy", answers=Answers(axes="slice,readout,phase,echo,coil"))
    assert [scan.frame for scan in scans] == [{"echo": 0}, {"echo": 1}]
    same(scans[0])
    same(scans[1], 0.5 * K)
    for wrong, words in (
        ("slice,coil,readout,phase", "5 axes"),
        ("slice,coil,readout,phase,wrong", "wrong"),
        ("slice,coil,readout,time,echo", "readout and phase"),
        ("slice,slice,readout,phase,echo", "each once"),
    ):
        with pytest.raises(InputError, match=words):
            read_scan(tmp_path / "a.npy", answers=Answers(axes=wrong))


def test_noise_alone_moves_no_axis():
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((4, 32, 48, 40)) + 1j * rng.standard_normal((4, 32, 48, 40))
    usual = ("slice", "coil", "readout", "phase")
    assert settle_axes(noise.astype(np.complex64), usual).names == usual


# Complex numbers


@pytest.mark.parametrize("kind", ["<f4", "<f8", "<i2"])
@pytest.mark.parametrize("names", [("real", "imag"), ("r", "i")])
def test_compounds_of_real_and_imaginary_part(tmp_path, kind, names):
    k = np.round(200 * K) if kind == "<i2" else K
    compound = np.zeros(k.shape, [(name, kind) for name in names])
    compound[names[0]], compound[names[1]] = k.real, k.imag
    same(read_scan(layout(tmp_path / "a.h5", kspace=compound)), k)


def test_a_last_axis_of_real_and_imaginary_part(tmp_path):
    np.save(tmp_path / "a.npy", np.stack([K.real, K.imag], axis=-1))
    same(read_scan(tmp_path / "a.npy"))


@pytest.mark.parametrize("beside", [{}, {"ismrmrd_header": "<ismrmrdHeader/>"}])
def test_a_last_axis_of_two_beside_a_mask_in_fastmris_layout(tmp_path, beside):
    pairs = np.stack([K.real, K.imag], axis=-1) * MASK[:, None]
    scan = read_scan(layout(tmp_path / "a.h5", kspace=pairs, mask=MASK.astype(float), **beside))
    same(scan, K * MASK)
    assert scan.mask_source == "file"


@pytest.mark.parametrize("kind", [">c8", ">c16"])
def test_numbers_in_the_other_byte_order(tmp_path, kind):
    np.save(tmp_path / "a.npy", K.astype(kind))
    same(read_scan(tmp_path / "a.npy"))
    same(read_scan(layout(tmp_path / "a.h5", data=K.astype(kind))))


def test_coils_in_pairs_along_the_last_axis_as_calgary_campinas_has_them(tmp_path):
    """K-space in the middle, transformed without shifts: the image's origin is at index 0."""
    stored = np.fft.fftshift(np.fft.fft2(ifft(K), axes=AXES, norm="ortho"), axes=AXES)
    pairs = np.zeros((SLICES, READ, PHASE, 2 * COILS), np.float32)
    pairs[..., 0::2], pairs[..., 1::2] = np.moveaxis(stored.real, 1, -1), np.moveaxis(stored.imag, 1, -1)
    scan = read_scan(layout(tmp_path / "a.h5", kspace=pairs))
    np.testing.assert_allclose(np.abs(ifft(scan.kspace)), np.abs(ifft(K)), atol=1e-4)
    assert any("across the border" in note for note in scan.notes)


def test_zero_frequency_at_index_0(tmp_path):
    np.save(tmp_path / "a.npy", np.fft.ifftshift(K, axes=AXES))
    same(read_scan(tmp_path / "a.npy"))


# Data sets


def test_matlab_7_3_of_cmrxrecon(tmp_path):
    compound = np.zeros((2, SLICES, COILS, PHASE, READ), [("real", "<f4"), ("imag", "<f4")])
    for t, gain in enumerate((1.0, 0.5)):
        k = (gain * K * MASK).swapaxes(-1, -2)
        compound["real"][t], compound["imag"][t] = k.real, k.imag
    path = tmp_path / "cine.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["kspace_sub04"] = compound
        file["kspace_sub04"].attrs["MATLAB_class"] = np.bytes_("single")
        file["mask04"] = np.tile(MASK.astype(np.float32)[:, None], READ)
    scans = read_scans(path)
    assert recognise(path) == "hdf5" and [scan.frame for scan in scans] == [{"time": 0}, {"time": 1}]
    same(scans[0], K * MASK)
    same(scans[1], 0.5 * K * MASK)
    assert np.array_equal(scans[0].mask, MASK) and scans[0].mask_source == "file"


def test_matlab_before_7_3(tmp_path):
    savemat(tmp_path / "a.mat", {"kdata": K.transpose(2, 3, 1, 0), "mask": np.tile(MASK, (READ, 1)), "note": "x"})
    scan = read_scan(tmp_path / "a.mat")
    same(scan, K * MASK)
    assert scan.format == "matlab"
    savemat(tmp_path / "b.mat", {"a": K, "b": K})
    with pytest.raises(InputError, match="2 arrays"):
        read_scan(tmp_path / "b.mat")


def test_skm_tea(tmp_path):
    five = np.stack([K, 0.7 * K], axis=-1).transpose(0, 2, 3, 4, 1)
    path = layout(tmp_path / "a.h5", kspace=five, maps=np.zeros((2, 2), np.complex64), target=np.zeros((2, 2)))
    with h5py.File(path, "a") as file:
        file["masks/poisson_6.0x"] = np.ones((READ, PHASE))
    scans = read_scans(path)
    assert [scan.frame for scan in scans] == [{"echo": 0}, {"echo": 1}]
    same(scans[1], 0.7 * K)
    assert any("masks" in note and "not applied" in note for note in scans[0].notes)


def test_several_arrays_have_to_be_chosen_from(tmp_path):
    with pytest.raises(InputError, match="kspace_a, kspace_b"):
        read_scan(layout(tmp_path / "a.h5", kspace_a=K, kspace_b=K))


def test_averages_of_the_prostate_set(tmp_path):
    odd = np.arange(PHASE) % 2
    averages = np.stack([K * (odd == a % 2) for a in range(3)])
    middle = np.ascontiguousarray(K[..., PHASE // 2 - 8 : PHASE // 2 + 8])
    scan = read_scan(layout(tmp_path / "a.h5", kspace=averages, calibration_data=middle))
    same(scan)
    np.testing.assert_array_equal(scan.calibration, middle)
    assert any("3 averages were averaged" in note for note in scan.notes)


def test_averages_that_disagree_stay_apart(tmp_path):
    turned = fft(ifft(K) * np.exp(1j * (1 + 4 * U)))
    scans = read_scans(layout(tmp_path / "a.h5", kspace=np.stack([K, turned]).astype(np.complex64)))
    assert [scan.frame for scan in scans] == [{"average": 0}, {"average": 1}]
    assert any("disagree" in note for note in scans[0].notes)
    mean, _ = averaged(np.stack([K, K]), 0)
    np.testing.assert_array_equal(mean, K)


# Masks


@pytest.mark.parametrize(
    ("mask", "word"),
    [
        (np.stack([MASK] * SLICES).astype(np.float32), None),
        (np.broadcast_to(MASK, K.shape).astype(np.float32), None),
        ((255 * MASK).astype(np.uint8), "255"),
        (MASK.astype(np.complex64), None),
        (np.tile(MASK[:, None], READ), "other way round"),
        ((~MASK).astype(np.float32), "inverted"),
    ],
)
@pytest.mark.parametrize("full", [False, True])
def test_masks_as_they_are_stored(tmp_path, mask, word, full):
    scan = read_scan(layout(tmp_path / "a.h5", kspace=K if full else K * MASK, mask=mask))
    assert np.array_equal(scan.mask, MASK) and scan.mask.flags.writeable
    same(scan, K * MASK)
    assert word is None or any(word in note for note in scan.notes)


def test_masks_of_more_than_two_values_are_refused(tmp_path):
    with pytest.raises(InputError, match="values other than 0 and 1"):
        read_scan(layout(tmp_path / "a.h5", kspace=K, mask=np.arange(PHASE) % 3))


# Volumes


def test_a_volume_is_told_from_slices_and_named(tmp_path):
    n = 16
    places = np.arange(n) - n // 2
    w = places / n
    thick = np.exp(-((w / 0.3) ** 4))
    image = objects()[1][None, None] * thick[:, None, None, None] * np.ones((1, COILS, 1, 1))
    image = image * np.exp(1j * np.arange(COILS))[:, None, None]
    volume = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(fft(image), axes=0), axis=0, norm="ortho"), axes=0)
    rng = np.random.default_rng(3)
    volume = (volume + 1e-4 * rng.standard_normal(volume.shape)).astype(np.complex64)
    hybrid = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(volume, axes=2), axis=2, norm="ortho"), axes=2)
    truth = hybrid.transpose(2, 1, 3, 0)
    np.save(tmp_path / "a.npy", volume)
    found = read_scan(tmp_path / "a.npy")
    np.testing.assert_allclose(found.kspace, truth, atol=1e-5)
    assert any("taken as a volume" in note for note in found.notes)
    np.save(tmp_path / "b.npy", np.moveaxis(volume, 0, -1))
    asked = Answers(axes="coil,readout,phase,partition")
    np.testing.assert_allclose(read_scan(tmp_path / "b.npy", answers=asked).kspace, truth, atol=1e-5)
    asked = Answers(axes="slice,coil,readout,phase")
    np.testing.assert_allclose(read_scan(tmp_path / "a.npy", answers=asked).kspace, volume, atol=1e-5)
    with pytest.raises(InputError, match="slice and partition"):
        read_scan(tmp_path / "a.npy", answers=Answers(axes="slice,partition,readout,phase"))


def a_volume(coils):
    """K-space of a volume [partition, coil, readout, phase], and as slices across its readout."""
    n = 24
    w = (np.arange(n) - n // 2) / n
    shades = np.exp(1j * np.arange(coils) - np.arange(coils) * 0.1)[:, None, None]
    # A body that narrows to both ends, and a spot that wanders through it.
    radius = np.sqrt(np.clip(0.16 - w**2, 0, None))[:, None, None]
    body = 1 / (1 + np.exp((np.hypot(U, 1.2 * V) - radius) * 60))
    image = body * (1 + 1.5 * np.exp(-(((U - w[:, None, None]) ** 2 + (V - 0.1) ** 2) / 0.004)))
    volume = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(fft(image), axes=0), axis=0, norm="ortho"), axes=0)
    rng = np.random.default_rng(3)
    volume = volume[:, None] * shades
    volume = (volume + 1e-3 * rng.standard_normal(volume.shape)).astype(np.complex64)
    hybrid = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(volume, axes=2), axis=2, norm="ortho"), axes=2)
    return volume, hybrid.transpose(2, 1, 3, 0)


def test_a_volume_of_one_coil_is_told_from_coils(tmp_path):
    volume, truth = a_volume(1)
    np.save(tmp_path / "a.npy", volume[:, 0])
    found = read_scan(tmp_path / "a.npy")
    np.testing.assert_allclose(found.kspace, truth, atol=1e-5)
    assert any("a volume of one coil" in note for note in found.notes)
    savemat(tmp_path / "b.mat", {"kSpace": volume[:, 0].T})  # MATLAB's order: [phase, readout, partition]
    assert read_scan(tmp_path / "b.mat").n_slices == PHASE
    np.save(tmp_path / "c.npy", K[0])
    same(read_scan(tmp_path / "c.npy"), K[:1])


def test_a_loud_coil_in_the_middle_is_no_partition(tmp_path):
    loud = np.concatenate([K[0], K[0, ::-1]]) * np.array([1, 1, 1, 1, 1, 5, 20, 5, 1, 1, 1, 1])[:, None, None]
    np.save(tmp_path / "a.npy", loud.astype(np.complex64))
    assert read_scan(tmp_path / "a.npy").n_coils == 12


def test_a_volume_under_a_header_has_its_sizes(tmp_path):
    volume, truth = a_volume(4)
    sizes = ((READ, PHASE, 24), (READ, PHASE, 24), (96, 120, 96), (96, 120, 96))
    path = layout(tmp_path / "a.h5", kspace=volume, ismrmrd_header=xml(*sizes, partitions=(0, 23, 12)), mask=MASK)
    found = read_scan(path)
    np.testing.assert_allclose(found.kspace, truth * MASK[:, None], atol=1e-5)
    assert found.geometry.voxel_size == pytest.approx((3, 4, 2)) and found.image_size == (PHASE, 24)
    np.testing.assert_array_equal(found.mask, np.repeat(MASK[:, None], 24, axis=1))
    assert any("taken as a volume" in note for note in found.notes)


def test_lines_that_the_header_says_are_left_out_are_put_in(tmp_path):
    sizes = ((READ, PHASE, 1), (READ, PHASE, 1), (96, 120, 5), (96, 120, 5))
    header = xml(*sizes, lines=(0, PHASE - 11, PHASE // 2 - 10))
    path = layout(tmp_path / "a.h5", kspace=K[..., 10:], ismrmrd_header=header)
    found = read_scan(path)
    np.testing.assert_allclose(found.kspace, K * (np.arange(PHASE) >= 10), atol=1e-6)
    assert found.acquired_at == (10, PHASE) and found.realised_acceleration == 1
    assert any("were put in as zeros" in note for note in found.notes)
    wrong = layout(tmp_path / "b.h5", kspace=K[..., 10:], ismrmrd_header=xml(*sizes, lines=(0, PHASE - 11, 12)))
    assert any("moved in a circle" in note for note in read_scan(wrong).notes)


def test_limits_that_begin_later_are_of_the_same_lines(tmp_path):
    sizes = ((READ, PHASE, 1), (READ, PHASE, 1), (96, 120, 5), (96, 120, 5))
    header = xml(*sizes, lines=(16, 15 + PHASE, 16 + PHASE // 2))
    assert not any(
        "header says lines" in n for n in read_scan(layout(tmp_path / "a.h5", kspace=K, ismrmrd_header=header)).notes
    )


def test_slices_of_which_one_is_bright_are_no_volume(tmp_path):
    many = np.concatenate([K] * 5)[:12] * np.hanning(14)[1:-1, None, None, None]
    np.save(tmp_path / "a.npy", many.astype(np.complex64))
    same(read_scan(tmp_path / "a.npy"), many)


@pytest.mark.parametrize("shifted", [True, False])
def test_images_of_coils_in_the_place_of_k_space_are_said(tmp_path, shifted):
    images = ifft(K) if shifted else np.fft.ifft2(np.fft.ifftshift(K, axes=AXES), axes=AXES)
    said = []
    for name, array in (("images", images), ("kspace", K), ("lines", K * MASK)):
        np.save(tmp_path / f"{name}.npy", array.astype(np.complex64))
        said.append(
            any("looks like the images of the coils" in note for note in read_scan(tmp_path / f"{name}.npy").notes)
        )
    assert said == [True, False, False]


def test_kspace_inside_a_group_is_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["patient/kspace"] = K
    with pytest.raises(InputError, match="patient/kspace may be it"):
        read_scan(tmp_path / "a.h5")


@pytest.mark.parametrize("name", ["kspace", "kspace_1"])
def test_real_numbers_that_are_no_pairs_of_coils_are_refused(tmp_path, name):
    parts = np.stack([K.real, K.imag], axis=2).reshape(len(K), -1, *K.shape[2:])
    for array, words in ((parts, "real and imaginary part"), (np.abs(K), "real and imaginary part")):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file[name] = array.astype(np.float32)
        with pytest.raises(InputError, match=words):
            read_scan(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[name] = np.moveaxis(np.abs(K), 1, -1).astype(np.float32)
    with pytest.raises(InputError, match="no negative number|real and imaginary part"):
        read_scan(tmp_path / "a.h5")


def test_a_matlab_structure_is_named(tmp_path):
    savemat(tmp_path / "a.mat", {"data": {"kspace": K}})
    with pytest.raises(InputError, match=r"data \(struct \[1, 1\]\)"):
        read_scan(tmp_path / "a.mat")
