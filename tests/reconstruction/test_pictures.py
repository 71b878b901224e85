"""Pictures restored under a prior whose posterior is known, and by the command."""

import json
from dataclasses import dataclass, replace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import picture_run
from typer.testing import CliRunner

from rsd_mri.commands.app import app
from rsd_mri.corruption.build import corruption_from, restorable, restored
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import Identity
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import Inputs, Prior
from rsd_mri.protocol import (
    GaussianBlurSettings,
    NetworkSettings,
    NoiseSettings,
    Protocol,
    RandomInpaintingSettings,
    SuperResolutionSettings,
    TeacherSettings,
)
from rsd_mri.reconstruction.one_picture import corruption_of, restore
from rsd_mri.reconstruction.picture_samplers import PICTURE_SAMPLERS
from rsd_mri.reconstruction.pictures import quality, restore_files

SD = 0.5


class White(torch.nn.Module):
    """The exact denoiser of white Gaussian images of standard deviation SD."""

    sigma_data = SD

    def forward(self, x, t, condition=None):
        return x * (SD**2 / (SD**2 + t[:, None, None, None] ** 2))


@dataclass(frozen=True)
class GaussianPrior:
    denoiser = White()
    kind = "teacher"
    inputs = Inputs((1, 16, 16), 0, 0)
    protocol = Protocol(
        corruption=NoiseSettings(),
        teacher=TeacherSettings(sigma_data=SD),
        network=NetworkSettings(field="real"),
    )
    card = Card(hidden_error=0.0)
    path = "gaussian"


def samples_of(degradation, picture, seen=None, sampler="annealing", count=48):
    keys = [(0, "test", i) for i in range(count)]
    return restore(GaussianPrior(), picture, degradation, seen, keys, PICTURE_SAMPLERS[sampler])


@pytest.mark.parametrize("sampler", ["annealing", "langevin"])
@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_denoising_samples_the_gaussian_posterior(sampler, sigma):
    picture = 0.6 * torch.randn(1, 16, 16, generator=generator(0, "picture"))
    found = samples_of(NoiseSettings(sigma=sigma), picture, sampler=sampler)
    gain = SD**2 / (SD**2 + sigma**2)
    spread = SD * sigma / (SD**2 + sigma**2) ** 0.5
    assert (found.mean(0) - gain * picture).std() < 3 * spread / 48**0.5
    # Langevin steps hardly move once the level is far below the noise of the data.
    assert float(found.var(0).mean()) == pytest.approx(spread**2, rel=0.2 if sampler == "annealing" else 0.3)


def test_hidden_pixels_are_drawn_from_the_prior_and_seen_ones_kept():
    picture = 0.5 * torch.randn(1, 16, 16, generator=generator(1, "picture"))
    seen = torch.rand(16, 16, generator=generator(2, "mask")) < 0.5
    picture[:, ~seen] = 7.0  # what stands there must not matter
    found = samples_of(RandomInpaintingSettings(sigma=0.01), picture, seen)
    assert float((found[:, :, seen] - picture[:, seen]).abs().mean()) < 0.03
    hidden = found[:, :, ~seen]
    assert abs(float(hidden.mean())) < 0.05 and float(hidden.std()) == pytest.approx(SD, rel=0.1)


@pytest.mark.parametrize("corruption", [GaussianBlurSettings(sigma=0.05), SuperResolutionSettings(sigma=0.05)])
def test_the_mean_is_the_wiener_solution(corruption):
    """E[x|y] = (A^T A / sigma^2 + 1 / sd^2)^-1 A^T y / sigma^2, by a dense solve."""
    picture = 0.4 * torch.randn(1, 12, 12, generator=generator(3, "picture"))
    shape = corruption.image_shape(tuple(picture.shape))
    operator, _ = corruption_from(corruption, shape).of_picture(picture)
    n = int(np.prod(shape))
    columns = operator.forward(torch.eye(n).reshape(n, *shape)).flatten(1).double().T
    normal = columns.T @ columns / corruption.sigma**2 + torch.eye(n) / SD**2
    expected = torch.linalg.solve(normal, columns.T @ picture.flatten().double() / corruption.sigma**2)
    found = samples_of(corruption, picture, count=64)
    spread = torch.linalg.inv(normal).diagonal().mean().sqrt()
    assert found.shape[1:] == shape
    assert (found.mean(0).flatten() - expected).square().mean().sqrt() < 3 * spread / 8
    assert float(found.var(0).mean()) == pytest.approx(float(spread) ** 2, rel=0.25)


def test_what_does_not_fit_is_refused():
    picture, law = torch.zeros(1, 16, 16), GaussianPrior()
    assert isinstance(corruption_from(NoiseSettings(sigma=0.1), (1, 16, 16)).of_picture(picture)[0], Identity)
    for corruption, seen, said in (
        (RandomInpaintingSettings(), torch.ones(4, 4), "the mask has 4x4"),
        (RandomInpaintingSettings(), torch.zeros(16, 16, dtype=torch.bool), "hides every pixel"),
        (GaussianBlurSettings(kernel_size=33), None, "too large"),
        (GaussianBlurSettings(), torch.ones(16, 16), "a mask is of inpainting"),
        (NoiseSettings(sigma=0.1), torch.ones(16, 16), "a mask is of inpainting"),
    ):
        with pytest.raises(InputError, match=said):
            corruption_from(corruption, (1, 16, 16)).of_picture(picture, seen)
    with pytest.raises(InputError, match="1 channels cannot restore a picture of 3"):
        corruption_of(law, (3, 16, 16))
    blurred = GaussianPrior()
    object.__setattr__(blurred, "protocol", replace(law.protocol, corruption=GaussianBlurSettings()))
    with pytest.raises(InputError, match="models gaussian-blur measurements"):
        corruption_of(blurred, (1, 16, 16))


def test_what_can_be_undone_is_what_protocols_have():
    assert list(restorable()) == ["noise", "inpainting", "gaussian-blur", "super-resolution"]
    assert restored("gaussian-blur", {"kernel_size": "7"}) == GaussianBlurSettings(kernel_size=7)
    for name, values, said in (
        ("gaussian-blurr", {}, "expected one of noise, .*near it: gaussian-blur"),
        ("noise", {"factor": "2"}, "unknown key 'factor' of noise; known keys: kind, sigma"),
        ("inpainting", {"p": "0.5"}, "those of a picture are what they are"),
    ):
        with pytest.raises(InputError, match=said):
            restored(name, values)


def test_quality_of_a_known_error():
    truth = np.zeros((3, 16, 16), np.float32)
    found = quality(truth, truth + 0.2, "")
    assert found["psnr"] == pytest.approx(20)  # 0.1 of the range


@pytest.fixture(scope="module", params=["noise", "random-inpainting"])
def run(request, tmp_path_factory):
    return picture_run(tmp_path_factory.mktemp("run"), request.param)


@pytest.mark.long
def test_restore_command(run, tmp_path):
    """A picture of another size than those of training, its mask, its reference; a file that is no picture."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 256, (18, 20, 3), np.uint8)
    pixels[4:8, 5:9] = 0
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    (tmp_path / "truth").mkdir()
    Image.fromarray(pixels).save(tmp_path / "truth" / "photo.png")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    asked = [
        "restore",
        str(tmp_path / "photo.png"),
        "--prior",
        str(run),
        "--levels",
        "3",
        "--samples",
        "2",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    done = CliRunner().invoke(
        app, [*asked, str(bad), "--corruption", "inpainting", "--reference", str(tmp_path / "truth")]
    )
    assert done.exit_code == 1 and "bad.png: cannot be read" in done.stderr
    (one,) = json.loads(done.stdout.splitlines()[-1])["restorations"]
    assert one["psnr_given"] is None and one["psnr"] > 0 and one["std"] > 0  # equal pictures: JSON has no infinity
    drawn = np.load(tmp_path / "out" / "photo_samples.npy")
    assert drawn.shape == (2, 3, 18, 20)
    with Image.open(tmp_path / "out" / "photo_restored.png") as picture:
        assert picture.size == (20, 18) and "Not for diagnostic use" in picture.info["Comment"]
        restored = np.asarray(picture).astype(int)
    seen = np.ones((18, 20), bool)
    seen[4:8, 5:9] = False
    assert np.abs(restored - pixels)[seen].mean() < 3
    larger = CliRunner().invoke(app, [*asked, "--corruption", "super-resolution"])
    assert larger.exit_code == 0, larger.output
    assert np.load(tmp_path / "out" / "photo_samples.npy").shape == (2, 3, 36, 40)
    assert CliRunner().invoke(app, [*asked, "--corruption", "noise"]).exit_code == 2


@pytest.mark.parametrize("out", [None, "out"])
def test_pictures_do_not_replace_one_another(tmp_path, out):
    """Two of one name are refused before anything is read or written."""
    (tmp_path / "more").mkdir()
    other = tmp_path / "photo.tif" if out is None else tmp_path / "more" / "photo.png"
    with pytest.raises(InputError, match="would be written to the same files"):
        restore_files(
            [tmp_path / "photo.png", other],
            Mock(spec=Prior),
            NoiseSettings(sigma=0.1),
            1,
            Mock(),
            None if out is None else tmp_path / out,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["more"]
