"""Published data: every experiment knows its own, and the commands it gives are commands."""

import shlex

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from data_prep.downloads import DOWNLOADS, download_of, how_to_get
from data_prep.images import _lefts, photographs, read_images
from rsd_mri.bench.experiments import EXPERIMENTS
from rsd_mri.commands.app import app
from rsd_mri.errors import InputError
from rsd_mri.protocol import load_protocol


@pytest.mark.parametrize("bench", EXPERIMENTS, ids=lambda one: one.about.name)
def test_every_experiment_knows_its_data(bench):
    found = download_of(bench.protocols["paper"])
    assert found is not None and bench.about.data.startswith(found.data) and found.page.startswith("https://")
    assert download_of(bench.protocols["mini"]) is None
    text = how_to_get(bench.protocols["paper"], "bench")
    assert found.page in text and text.endswith(
        f"rsd-mri bench run {bench.about.name} --scale paper --data {found.data.split()[0].lower()}-prepared"
    )


@pytest.mark.parametrize("download", DOWNLOADS.values(), ids=lambda d: d.data)
def test_commands_are_commands(download):
    """Every option is one that the command has; of a missing source the answer is the page."""
    command = download.commands("noise-0.2-ffhq", "out")[-1]
    words = shlex.split(command)
    assert words[0] == "rsd-mri"
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 2 and "https://github.com/NVlabs/ffhq-dataset" in done.stderr


def test_missing_data_say_where_to_get_them(tmp_path):
    for asked in (
        ["train", "--protocol", "noise-0.2-afhq", "--out", str(tmp_path / "run")],
        ["bench", "run", "noise-0.2-afhq", "--scale", "paper", "--out", str(tmp_path / "run")],
        ["bench", "run", "noise-0.2-afhq", "--scale", "paper", "--data", str(tmp_path / "nothing")],
    ):
        done = CliRunner().invoke(app, asked)
        assert done.exit_code == 2 and DOWNLOADS["afhq"].page in done.stderr, done.output
        assert "rsd-mri prep afhq_v2.zip --protocol noise-0.2-afhq" in done.stderr
    assert how_to_get("mini-noise-0.2-afhq") == ""


def test_segmentations_in_an_archive_are_no_pictures(tmp_path):
    for folder in ("CelebA-HQ-img", "CelebAMask-HQ-mask-anno/0", "__MACOSX"):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(np.full((8, 8, 3), 100, np.uint8)).save(tmp_path / folder / "0.png")
    assert len(read_images(tmp_path, 8)) == 1


@pytest.mark.parametrize("width, side", [(256, 32), (300, 32), (130, 16), (512, 48)])
def test_no_training_patch_shares_a_column_with_a_held_out_one(width, side):
    columns = [
        {x for left in _lefts(width, side, split) for x in range(left, left + side)} for split in ("train", "held-out")
    ]
    assert columns[0] and columns[1] and not columns[0] & columns[1]
    with pytest.raises(InputError, match="nothing of the photographs to hold out"):
        photographs(2, 400, 0)


def test_whole_protocols_have_the_sizes_of_their_data():
    for bench in EXPERIMENTS:
        side = load_protocol(bench.protocols["paper"]).data.matrix
        assert f"{side}x" in bench.about.data
