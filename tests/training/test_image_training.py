"""Image corruptions from protocol to generated images, by the commands' own functions."""

import h5py
import numpy as np
import pytest
from PIL import Image

from data_prep.images import digits, photographs, read_images
from rsd_mri.errors import InputError
from rsd_mri.experiment.runs import train_run
from rsd_mri.machine.progress import SILENT
from rsd_mri.protocol import Protocol, build
from rsd_mri.results.figures import write_contact_sheet
from rsd_mri.rsd.sampling import generate_file
from rsd_mri.training.fabric import TrainOptions

SETTINGS = {
    "network": {"field": "real", "channels": 4, "multipliers": [1, 2]},
    "data": {"source": "photographs", "volumes": 8, "slices": 1, "matrix": 16},
    "teacher": {"images": 8, "batch": 4},
    "distillation": {"images": 8, "batch": 4},
    "sampler": {"steps": 2},
}


def run(protocol, folder, data=None, stage="all"):
    return train_run(protocol, folder, data, TrainOptions(stage, device="cpu"), SILENT)


@pytest.mark.parametrize(
    "corruption",
    [
        {"kind": "noise", "sigma": 0.2},
        pytest.param({"kind": "super-resolution", "factor": 2}, marks=pytest.mark.long),
        pytest.param({"kind": "random-inpainting", "p": 0.6}, marks=pytest.mark.long),
        pytest.param({"kind": "box-inpainting", "box": 6, "sigma": 0.1}, marks=pytest.mark.long),
        pytest.param({"kind": "gaussian-blur"}, marks=pytest.mark.long),
        pytest.param({"kind": "motion-blur", "sigma": 0.1}, marks=pytest.mark.long),
    ],
    ids=lambda c: c["kind"],
)
def test_every_corruption_trains_distils_and_generates(tmp_path, corruption):
    protocol = build(Protocol, {**SETTINGS, "corruption": corruption}, "test")
    done = run(protocol, tmp_path)
    assert done.images == {"teacher": 8, "generator": 8}
    side = 8 if corruption["kind"] == "super-resolution" else 16
    for network, size in (("teacher", side), ("generator", 16)):
        out = tmp_path / f"{network}.h5"
        generate_file(tmp_path, 3, network, out, 2, 0.0, "cpu", 0, SILENT, write_contact_sheet)
        with h5py.File(out) as file:
            assert file["images"].shape == (3, 3, size, size)
            assert np.isfinite(file["images"][:]).all() and file["images"][:].std() > 0
        with Image.open(tmp_path / f"{network}.png") as sheet:
            assert sheet.mode == "RGB"
    assert run(protocol, tmp_path).images == {"teacher": 0, "generator": 0}


def test_consistency_and_the_clamped_law_train(tmp_path):
    settings = {**SETTINGS, "corruption": {"kind": "noise", "sigma": 0.4}}
    settings["teacher"] = {"images": 8, "batch": 4, "consistency": 1.0, "noise_law": "clamped"}
    assert run(build(Protocol, settings, "test"), tmp_path, stage="teacher").images == {"teacher": 8}


def test_a_complex_network_on_real_images_is_refused(tmp_path):
    protocol = build(Protocol, {**SETTINGS, "network": {}, "corruption": {"kind": "noise"}}, "test")
    with pytest.raises(InputError, match=r"set network\.field to real"):
        run(protocol, tmp_path)


def test_brains_are_no_pictures(tmp_path):
    protocol = build(Protocol, {**SETTINGS, "data": {}, "corruption": {"kind": "noise"}}, "test")
    with pytest.raises(InputError, match=r"set data\.source to one of photographs, digits"):
        run(protocol, tmp_path)


def test_pictures_are_cut_to_squares_and_grey_ones_join_colours(tmp_path):
    wide = np.zeros((20, 40, 3), np.uint8)
    wide[:, 10:30] = (255, 0, 0)
    Image.fromarray(wide).save(tmp_path / "a.png")
    Image.fromarray(np.full((16, 16), 100, np.uint8)).save(tmp_path / "b.png")
    images = read_images(tmp_path, 10)
    assert images.shape == (2, 3, 10, 10)
    assert (images[0, 0] == 255).all() and (images[0, 1:] == 0).all()
    assert (images[1] == 100).all()


def test_unreadable_and_missing_pictures_are_refused(tmp_path):
    with pytest.raises(InputError, match="no pictures found"):
        read_images(tmp_path, 8)
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"bad\.png cannot be read as a picture"):
        read_images(tmp_path, 8)


@pytest.mark.parametrize("source", [photographs, digits])
def test_held_out_images_are_others_and_draws_repeat(source):
    train, held_out = source(40, 8, 0, "train"), source(40, 8, 0, "held-out")
    assert np.array_equal(train, source(40, 8, 0, "train"))
    same = (train[:, None] == held_out[None]).all((2, 3, 4))
    flat = (train.std((1, 2, 3)) < 3)[:, None] | (held_out.std((1, 2, 3)) < 3)[None]
    assert not (same & ~flat).any()


def test_archives_and_cifar_are_read_and_prepared(tmp_path):
    import io
    import json
    import tarfile
    import zipfile

    from data_prep.images import prepare_images

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 3, 32, 32), np.uint8)
    records = b"".join(bytes([i]) + image.tobytes() for i, image in enumerate(pixels))
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as tar:
        for name in ("cifar-10-batches-bin/data_batch_1.bin", "cifar-10-batches-bin/test_batch.bin"):
            info = tarfile.TarInfo(name)
            info.size = len(records)
            tar.addfile(info, io.BytesIO(records))
    found = prepare_images(tmp_path / "cifar-10-binary.tar.gz", tmp_path / "prepared", 32)
    assert (found.images, found.channels) == (5, 3)
    assert np.array_equal(read_images(tmp_path / "prepared", 32), pixels)
    assert json.loads((tmp_path / "prepared" / "manifest.json").read_text())["sha256"] == found.sha256
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i in range(2):
            file = io.BytesIO()
            Image.fromarray(pixels[i].transpose(1, 2, 0)).save(file, "PNG")
            archive.writestr(f"train/cat/{i}.png", file.getvalue())
    assert np.array_equal(read_images(tmp_path / "a.zip", 32), pixels[:2])
    with pytest.raises(InputError, match="set data.matrix"):
        read_images(tmp_path / "prepared", 64)
    (tmp_path / "bad.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:100])
    with pytest.raises(InputError, match="expected a folder, a zip or tar archive"):
        read_images(tmp_path / "bad.zip", 32)


def test_prep_and_train_take_pictures_by_command(tmp_path):
    from typer.testing import CliRunner

    from rsd_mri.commands.app import app

    (tmp_path / "pictures").mkdir()
    for i, image in enumerate(photographs(6, 40, 0)):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / "pictures" / f"{i}.png")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(build(Protocol, {**SETTINGS, "corruption": {"kind": "noise", "sigma": 0.2}}, "t").to_yaml())
    made = CliRunner().invoke(app, ["prep", str(tmp_path / "pictures"), "--protocol", str(recipe)])
    assert made.exit_code == 0 and "6 images of 16x16" in made.stdout
    asked = ["train", "--protocol", str(recipe), "--data", str(tmp_path / "pictures-prepared"), "--stage", "teacher"]
    done = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "run"), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "teacher.safetensors").is_file()
