"""What comes back: the images of `recon`, in their place, in stored values that can be compared."""

import json

import h5py
import ismrmrd
import numpy as np
import pytest
from mrd_client import Talk, acquisitions, ask, header_text, line, place
from mrd_files import write_mrd
from typer.testing import CliRunner

from rsd_mri.commands.app import app
from rsd_mri.priors import RECONSTRUCTION
from rsd_mri.priors.prior import load_prior
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.scan.reading import read_scan

CLASSICAL = ("l1-wavelet", "tv", "cg-sense", "zero-filled")


@pytest.fixture(scope="module")
def read_from_file(small_scan, tmp_path_factory):
    path = tmp_path_factory.mktemp("mrd") / "scan.h5"
    write_mrd(path, small_scan)
    return read_scan(path)


@pytest.fixture(scope="module")
def whole_answer(server, small_scan):
    """Preview, mean, standard deviation, interval and samples."""
    return ask(server, small_scan, parameters={"sendsamples": "True", "samples": "2"})


@pytest.fixture(scope="module")
def exact_answer(server, small_scan):
    """The same with values as they are."""
    return ask(server, small_scan, parameters={"pixels": "float32", "sendsamples": True})


@pytest.mark.parametrize("method", CLASSICAL)
def test_images_are_those_of_recon(server, small_scan, read_from_file, method):
    found = ask(server, small_scan, method, {"pixels": "float32"}).pixels(1)
    expected = reconstruct_scan(read_from_file, method_of(method)).magnitude
    np.testing.assert_allclose(found.transpose(0, 2, 1), expected, atol=1e-5 * expected.max())


@pytest.mark.long
def test_posterior_is_that_of_recon(exact_answer, read_from_file):
    expected = reconstruct_scan(read_from_file, method_of("posterior", load_prior(RECONSTRUCTION), samples=2))
    for number, values in ((2, expected.magnitude), (3, expected.std), (12, expected.samples[1])):
        found = exact_answer.pixels(number).transpose(0, 2, 1)
        np.testing.assert_allclose(found, values, atol=1e-4 * expected.magnitude.max())


def test_one_step_is_that_of_recon(server, small_scan, read_from_file):
    answer = ask(server, small_scan, "one-step", {"pixels": "float32", "preview": False})
    expected = reconstruct_scan(read_from_file, method_of("one-step", load_prior(RECONSTRUCTION)))
    for number, values in ((2, expected.magnitude), (3, expected.std)):
        found = answer.pixels(number).transpose(0, 2, 1)
        np.testing.assert_allclose(found, values, atol=1e-4 * expected.magnitude.max())
    # The network gives a standard deviation, and the package knows its interval.
    assert {one.image_series_index for one in answer.images} == {2, 3, 4}


def test_series_come_in_their_order_and_count_from_one(whole_answer):
    series = [one.image_series_index for one in whole_answer.images]
    assert series == [1, 1, 2, 3, 4, 11, 12, 2, 3, 4, 11, 12]
    for number in set(series):
        images = whole_answer.series(number)
        assert [one.image_index for one in images] == [1, 2]
        assert [one.slice for one in images] == [0, 1]
        assert {(one.data_type, one.image_type, one.data.shape) for one in images} == {(2, 1, (1, 1, 40, 48))}


def test_header_is_that_of_the_central_line(whole_answer, small_scan):
    for one in whole_answer.images:
        assert (one.version, one.measurement_uid, one.acquisition_time_stamp) == (1, 4711, 1000 + 20)
        np.testing.assert_allclose(one.position[:], small_scan.geometry.positions[one.slice], rtol=1e-6)
        np.testing.assert_allclose(one.read_dir[:], small_scan.geometry.read_direction)
        np.testing.assert_allclose(one.phase_dir[:], small_scan.geometry.phase_direction)
        assert list(one.patient_table_position) == [1, 2, 3]
        assert list(one.getHead().matrix_size) == [48, 40, 1]
        voxel = np.array(small_scan.geometry.voxel_size)
        np.testing.assert_allclose(one.field_of_view[:], voxel * (48, 40, 1), rtol=1e-5)


def test_every_image_says_what_it_is_and_is_not(whole_answer):
    names = {1: "l1-wavelet", 2: "posterior_mean", 3: "std", 4: "half_width", 11: "sample_1", 12: "sample_2"}
    for one in whole_answer.images:
        meta = ismrmrd.Meta.deserialize(one.attribute_string)
        label = f"RSD_RESEARCH_{names[one.image_series_index]}"
        assert meta["SeriesDescriptionAdditional"] == meta["SequenceDescriptionAdditional"] == label
        assert meta["ImageComments"].startswith("Research use only. Not for diagnostic use.")
        assert meta["DataRole"] == ("Quantitative" if one.image_series_index in (3, 4) else "Image")
        assert meta["Keep_image_geometry"] == "1"
        for name, vector in (("ImageRowDir", one.read_dir), ("ImageColumnDir", one.phase_dir)):
            np.testing.assert_allclose([float(v) for v in meta[name]], vector[:], atol=1e-6)
        assert 0 < int(meta["WindowCenter"]) <= int(meta["WindowWidth"]) <= 4096
        assert ("RescaleSlope" in meta) == (one.image_series_index in (3, 4))


def test_stored_values_can_be_compared(whole_answer, exact_answer):
    exact = exact_answer
    factor = whole_answer.pixels(1).max() / exact.pixels(1).max()
    for number in (1, 2, 11, 12):
        stored, values = whole_answer.pixels(number), exact.pixels(number)
        assert stored.max() <= 4095
        assert (values * factor > 4096).mean(axis=(1, 2)).max() <= 1e-3
        np.testing.assert_allclose(stored, np.minimum(values * factor, 4095), atol=1.5)
    for number in (3, 4):
        for one, values in zip(whole_answer.series(number), exact.pixels(number), strict=True):
            meta = ismrmrd.Meta.deserialize(one.attribute_string)
            assert meta["RescaleIntercept"] == "0"
            rescaled = one.data[0, 0] * float(meta["RescaleSlope"])
            np.testing.assert_allclose(rescaled, values * factor, atol=1e-3 * rescaled.max())


def test_bits_stored_of_the_header_set_the_largest_value(server, small_scan):
    bits = "<userParameters><userParameterLong><name>BitsStored</name><value>15</value></userParameterLong>"
    header = header_text(small_scan, end=("</ismrmrdHeader>", f"{bits}</userParameters></ismrmrdHeader>"))
    largest = ask(server, small_scan, "zero-filled", header=header).pixels(1).max()
    assert 8000 < largest <= 2**15 - 1


def test_a_slice_alone_uses_every_stored_value(server, small_scan):
    pixels = ask(server, small_scan, "l1-wavelet", slices=[0]).pixels(1)
    assert pixels.max() == 4095
    assert (pixels == 4095).mean() <= 1e-3


def test_complex_pixels_have_the_magnitude(server, small_scan, exact_answer):
    parameters = {"sendsamples": True, "pixels": "complex", "samples": 1}
    found, plain = ask(server, small_scan, parameters=parameters), exact_answer
    assert {(one.data_type, one.image_type) for one in found.images} == {(7, 5)}
    for number in (1, 11):
        values = plain.pixels(number)
        # Two calls may have other threads; a network that rounds what it multiplies shows their last places.
        np.testing.assert_allclose(np.abs(found.pixels(number)), values, atol=2e-3 * values.max())
    assert np.ptp(np.angle(found.pixels(1))) > 0.1
    assert len(found.series(3)) == 2  # of one sample what the reconstructor says


def point_scan(server, at, config="zero-filled", parameters=None, header=None, vendor=None, n=(32, 24), turn=False):
    """Two coils that see one bright point and a faint disc, and where the point is in the image sent."""
    image = np.zeros(n, np.complex64)
    y, x = np.ogrid[: n[0], : n[1]]
    image[(y - n[0] // 2) ** 2 + (x - n[1] // 2) ** 2 < 64] = 0.2
    image[at] = 3
    rng = np.random.default_rng(0)
    coils = np.stack([image, image * (1 + x / 40)])
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(coils, axes=(1, 2)), norm="ortho"), axes=(1, 2))
    kspace = kspace + 1e-3 * (rng.normal(size=kspace.shape) + 1j * rng.normal(size=kspace.shape))
    talk = Talk(server, config, header or header_for(n, n, vendor=vendor), {"pixels": "float32", **(parameters or {})})
    answer = talk.send([line(kspace[:, :, k], k) for k in range(n[1])]).close().answer()
    pixels = answer.pixels(1)[0]
    return np.unravel_index(pixels.argmax(), pixels.shape), pixels, answer


def header_for(matrix, recon, fov=None, recon_fov=None, vendor=None, trajectory="cartesian", extra=""):
    fov = fov or (2.0 * matrix[0], 2.0 * matrix[1])
    recon_fov = recon_fov or fov
    who = f"<systemVendor>{vendor}</systemVendor>" if vendor else ""
    spaces = "".join(
        f"<{name}><matrixSize><x>{m[0]}</x><y>{m[1]}</y><z>1</z></matrixSize>"
        f"<fieldOfView_mm><x>{f[0]}</x><y>{f[1]}</y><z>5</z></fieldOfView_mm></{name}>"
        for name, m, f in (("encodedSpace", matrix, fov), ("reconSpace", recon, recon_fov))
    )
    return (
        '<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">'
        f"<acquisitionSystemInformation>{who}<receiverChannels>2</receiverChannels></acquisitionSystemInformation>"
        "<experimentalConditions><H1resonanceFrequency_Hz>0</H1resonanceFrequency_Hz></experimentalConditions>"
        f"<encoding>{spaces}<encodingLimits/><trajectory>{trajectory}</trajectory></encoding>{extra}</ismrmrdHeader>"
    )


def test_readout_runs_along_x_and_phase_encode_along_y(server):
    where, pixels, _ = point_scan(server, (20, 9))
    assert pixels.shape == (24, 32)
    assert where == (9, 20)


def test_vendors_with_the_other_sign_are_turned_about_the_middle_pixel(server):
    where, _, _ = point_scan(server, (20, 9), vendor="SIEMENS")
    assert where == (24 - 9, 32 - 20)


@pytest.mark.parametrize(("flip", "vendor", "expected"), [
    ("none", "SIEMENS", (9, 20)), ("both", "GE", (15, 12)), ("both", "SIEMENS", (15, 12)), ("none", "GE", (9, 20)),
])  # fmt: skip
def test_the_direction_can_be_chosen(flip, vendor, expected):
    from rsd_mri.serve.pixels import turned
    from rsd_mri.serve.work import turn_of

    image = np.zeros((32, 24))
    image[(32 - 20, 24 - 9) if vendor == "SIEMENS" else (20, 9)] = 1  # as the reader of files gives it
    sent = turned(image).T if turn_of(flip, vendor) else image.T
    assert np.unravel_index(sent.argmax(), sent.shape) == expected


def test_what_was_encoded_beyond_the_field_of_view_is_cropped(server):
    header = header_for((32, 24), (16, 24), (64.0, 48.0), (32.0, 48.0))
    where, pixels, answer = point_scan(server, (20, 9), header=header)
    assert pixels.shape == (24, 16)
    assert where == (9, 20 - 16 + 8)
    assert list(answer.images[0].field_of_view) == [32, 48, 5]


@pytest.mark.parametrize("recon", [(64, 48), (33, 25)])
def test_the_matrix_of_the_header_is_reached_by_zero_filling(server, recon):
    header = header_for((32, 24), recon, (64.0, 48.0))
    where, pixels, _ = point_scan(server, (20, 9), header=header)
    _, native, _ = point_scan(server, (20, 9))
    assert pixels.shape == (recon[1], recon[0])
    expected = [n // 2 + (p - m // 2) * n / m for n, m, p in zip(pixels.shape, (24, 32), (9, 20), strict=True)]
    np.testing.assert_allclose(where, expected, atol=0.6)
    if recon == (64, 48):  # every second pixel is one of the image before
        np.testing.assert_allclose(pixels[::2, ::2], native, atol=1e-3 * native.max())


def test_frames_are_volumes_of_their_own_in_the_order_measured(server, small_scan):
    lines = []
    for repetition in (0, 1):
        for one in acquisitions(small_scan, noise=repetition == 0, flags=False):
            one.idx.repetition = repetition
            one.data[:] *= 1 + repetition
            lines.append(one)
    answer = Talk(server, "zero-filled", header_text(small_scan), {"pixels": "float32"}).send(lines).close().answer()
    assert [(one.repetition, one.slice, one.image_index) for one in answer.images] == [
        (0, 0, 1), (0, 1, 2), (1, 0, 3), (1, 1, 4),
    ]  # fmt: skip
    pixels = answer.pixels(1)
    np.testing.assert_allclose(pixels[2:], 2 * pixels[:2], rtol=1e-2, atol=1e-3 * pixels.max())


def test_partitions_of_a_slab_come_back_one_by_one(server):
    n = (24, 20, 12)  # readout, phase encode, partition
    image = np.zeros(n, np.complex64)
    image[6:18, 5:15, 3:9] = 0.3
    image[15, 7, 8] = 3
    coils = np.stack([image, image * (1 + np.arange(24)[:, None, None] / 30)])
    axes = (1, 2, 3)
    kspace = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(coils, axes=axes), axes=axes, norm="ortho"), axes=axes)
    rng = np.random.default_rng(0)
    kspace = kspace + 1e-4 * (rng.normal(size=kspace.shape) + 1j * rng.normal(size=kspace.shape))
    lines = []
    for partition in range(12):
        for phase in range(20):
            one = line(kspace[:, :, phase, partition], phase)
            one.idx.kspace_encode_step_2 = partition
            one.read_dir[:], one.phase_dir[:], one.slice_dir[:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
            one.position[:] = (10, 20, 30)
            lines.append(one)
    header = header_for((24, 20), (24, 20)).replace("<z>1</z>", "<z>12</z>").replace("<z>5</z>", "<z>36</z>")
    answer = Talk(server, "zero-filled", header, {"pixels": "float32"}).send(lines).close().answer()
    pixels = answer.pixels(1)
    assert pixels.shape == (12, 20, 24)
    assert np.unravel_index(pixels.argmax(), pixels.shape) == (8, 7, 15)
    np.testing.assert_allclose([one.position[2] for one in answer.images], 30 + 3 * (np.arange(12) - 6), atol=1e-4)


def test_a_slice_is_sent_before_the_next_is_measured(server, small_scan):
    talk = Talk(server, "l1-wavelet", header_text(small_scan))
    talk.send([one for one in acquisitions(small_scan) if one.idx.slice == 0])
    one = talk.next()
    while not isinstance(one, ismrmrd.Image):
        one = talk.next()
    assert one.slice == 0
    answer = talk.send(acquisitions(small_scan, noise=False, slices=[1])).close().answer()
    assert [image.slice for image in answer.images] == [1]


def test_slices_that_cannot_be_reconstructed_are_named_and_the_others_sent(server, small_scan):
    lines = acquisitions(small_scan, flags=False)
    next(one for one in lines if one.idx.slice == 1).data[0, 3] = np.nan
    answer = Talk(server, "zero-filled", header_text(small_scan)).send(lines).close().answer()
    assert [one.slice for one in answer.images] == [0]
    (sentence,) = answer.said("ERROR")
    assert "slice 1" in sentence and "finite" in sentence


def test_a_slice_of_other_coils_is_named_and_one_without_a_centre_is_made(server, small_scan):
    few = [one for one in acquisitions(small_scan, flags=False, noise=False) if one.idx.slice == 0]
    for one in acquisitions(small_scan, flags=False, noise=False, slices=[1]):
        other = line(one.data[:2], one.idx.kspace_encode_step_1, 1)
        place(other, small_scan, 1)
        few.append(other)
    answer = Talk(server, "zero-filled", header_text(small_scan)).send(few).close().answer()
    assert [one.slice for one in answer.images] == [0]
    assert "slice 1" in answer.said("ERROR")[0]
    lines = [
        one
        for one in acquisitions(small_scan, flags=False, noise=False)
        if one.idx.slice == 0 or abs(one.idx.kspace_encode_step_1 - 20) > 3
    ]
    answer = Talk(server, "zero-filled", header_text(small_scan)).send(lines).close().answer()
    assert [one.slice for one in answer.images] == [0, 1]


def test_noise_of_an_earlier_connection_is_used(server, small_scan):
    def dependent(kind, identifier):
        inner = {
            "own": f"<measurementID>{identifier}</measurementID>",
            "other": "<measurementDependency><dependencyType>Noise</dependencyType>"
            f"<measurementID>{identifier}</measurementID></measurementDependency>",
        }[kind]
        start = "<experimentalConditions>"
        information = f"<measurementInformation>{inner}</measurementInformation>"
        return header_text(small_scan, one=(start, information + start))

    noise = acquisitions(small_scan, flags=False)[:1]
    talk = Talk(server, "default_measurement_dependencies.xml", dependent("own", "A_77")).send(noise)
    kept = talk.close().answer()
    assert kept.images == [] and "kept" in kept.said("DBG")[0] and kept.said("ERROR") == []
    exact = {"pixels": "float32"}
    whole = ask(server, small_scan, "l1-wavelet", exact).pixels(1)
    named = ask(server, small_scan, "l1-wavelet", exact, header=dependent("other", "A_77"), noise=False)
    without = ask(server, small_scan, "l1-wavelet", exact, header=dependent("other", "B_78"), noise=False)
    np.testing.assert_allclose(named.pixels(1), whole, atol=1e-5 * whole.max())
    assert np.abs(without.pixels(1) - whole).max() > 1e-4 * whole.max()
    assert any("noise measurement" in text for text in without.said("WRN"))
    assert "A_77" not in server.log.read_text()


def test_a_slab_whose_partitions_are_flagged_one_by_one_is_not_begun_early(small_scan):
    from rsd_mri.scan.header import parse_header
    from rsd_mri.serve.measurement import SOURCE, Measurement

    last = "<minimum>0</minimum><maximum>2</maximum><center>1</center>"
    limits = f"<kspace_encoding_step_2>{last}</kspace_encoding_step_2>"
    text = header_for((16, 8), (16, 8)).replace("<encodingLimits/>", f"<encodingLimits>{limits}</encodingLimits>")
    measurement = Measurement(parse_header(text, SOURCE), text)
    for partition in range(3):
        assert measurement.wait() is None
        one = line(np.ones((2, 16)), 4)
        one.idx.kspace_encode_step_2 = partition
        one.setFlag(ismrmrd.ACQ_LAST_IN_SLICE)
        measurement.add(one.to_bytes())
    assert measurement.wait() is not None


@pytest.mark.parametrize("form", ["fastmri", "npy"])
def test_a_scan_of_any_format_is_sent_line_by_line(server, small_scan, tmp_path, form):
    """`rsd-mri send` makes the lines of what is no ISMRMRD file: the image is that of the file itself."""
    path = tmp_path / ("scan.h5" if form == "fastmri" else "scan.npy")
    if form == "fastmri":
        small_scan.save(path)
    else:
        np.save(path, small_scan.kspace)
    done = CliRunner().invoke(
        app, ["send", str(path), "--port", str(server.port), "--config", "zero-filled", "--set", "pixels=float32",
              "--out", str(tmp_path / "images.h5"), "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.splitlines()[-1])
    noise = form == "fastmri"
    assert told["acquisitions"] == 2 * int(small_scan.mask.sum()) + noise and told["images"] == 2
    expected = reconstruct_scan(read_scan(path), method_of("zero-filled")).magnitude
    with h5py.File(tmp_path / "images.h5") as file:
        (group,) = (item for item in file["dataset"].values() if isinstance(item, h5py.Group))
        found = group["data"][:, 0, 0].transpose(0, 2, 1)
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())
