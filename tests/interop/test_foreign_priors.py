"""Denoisers of deepinv as priors: the same numbers as deepinv's own call, and weights that hold nothing else."""

import pickle

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from typer.testing import CliRunner

import rsd_mri as rsd
from rsd_mri.commands.app import app
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.priors.prior import load_prior
from rsd_mri.training.checkpoint import save_tensors

models = pytest.importorskip("deepinv").models
SIGMA = torch.tensor([0.1, 0.3])


def image():
    return normal((2, 24, 16), generator("image"))


def network(channels=1):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = models.DnCNN(in_channels=channels, out_channels=channels, pretrained=None).eval()
    # As it is drawn it amplifies: the last layer is kept small.
    with torch.no_grad():
        made.out_conv.weight.mul_(0.01)
    return made


def test_weights_by_file_give_what_deepinv_gives(tmp_path):
    theirs = network(2)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    ours = load_prior(f"deepinv:DnCNN={tmp_path / 'w.pth'}")
    parts = torch.view_as_real(image()).movedim(-1, 1)
    with torch.no_grad():
        wanted = torch.view_as_complex(theirs(parts).movedim(1, -1).contiguous())
    assert_close(ours.denoiser(image(), SIGMA), wanted)
    assert ours.kind == "denoiser" and "DnCNN" in ours.card.data


def test_a_grey_network_is_shown_each_part_between_black_and_white(tmp_path):
    save_tensors(tmp_path / "w.safetensors", network().state_dict(), {})
    ours = load_prior(f"deepinv:DnCNN={tmp_path / 'w.safetensors'}")
    seen = []
    ours.denoiser.network.register_forward_hook(lambda module, given, out: seen.append(given))
    ours.denoiser(image(), SIGMA)
    for (shown, level), x, t in zip(seen, image(), SIGMA, strict=True):
        assert shown.shape == (2, 1, 24, 16) and shown.min() >= 0 and shown.max() <= 1
        scale = 2 * max(x.real.abs().max(), x.imag.abs().max())
        assert_close(shown[1, 0], x.imag / scale + 0.5)
        assert level == pytest.approx(float(t / 2**0.5 / scale))


def test_a_network_that_changes_nothing_gives_the_image(tmp_path):
    same = network()
    with torch.no_grad():
        same.out_conv.weight.zero_()
        same.out_conv.bias.zero_()
    torch.save(same.state_dict(), tmp_path / "w.pth")
    ours = load_prior(f"deepinv:DnCNN={tmp_path / 'w.pth'}")
    assert_close(ours.denoiser(image(), SIGMA), image())


def test_a_classical_denoiser_needs_no_weights_and_removes_noise():
    clean = torch.zeros(1, 32, 32, dtype=torch.complex64)
    clean[:, 8:24, 8:20] = 1 - 0.5j
    noisy = clean + 0.2 * normal((1, 32, 32), generator("noise"))
    found = load_prior("deepinv:WaveletDenoiser").denoiser(noisy, torch.tensor([0.2]))
    assert (found - clean).norm() < 0.8 * (noisy - clean).norm()


@pytest.mark.parametrize("name", ["TVDenoiser", "TGVDenoiser"])
def test_an_image_does_not_depend_on_the_one_before(name):
    denoiser = load_prior(f"deepinv:{name}").denoiser
    denoiser.network.n_it_max = 30
    first = denoiser(image(), SIGMA)
    denoiser(3 * image().flip(-1), SIGMA)
    assert torch.equal(denoiser(image(), SIGMA), first)
    assert (first - image()).norm() > 0.05 * image().norm()


def test_the_command_takes_them(tmp_path):
    scan, truth = rsd.simulate(3, matrix=48, acs_lines=10, seed=2)
    scan.save(tmp_path / "scan.h5")
    asked = ["recon", str(tmp_path / "scan.h5"), "--prior", "deepinv:WaveletDenoiser", "--samples", "2"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    rec = rsd.load_reconstruction(tmp_path / "scan_recon.h5")
    assert rec.prior.path == "deepinv:WaveletDenoiser" and len(rec.samples) == 2
    assert rsd.evaluate(rec, truth).psnr > rsd.evaluate(rsd.reconstruct(scan, method="zero-filled"), truth).psnr + 3
    refused = CliRunner().invoke(app, [*asked, "--adapt", "--out", str(tmp_path / "b")])
    assert refused.exit_code == 2 and "another library's denoiser" in refused.output.replace("\n", " ")


def test_another_process_has_the_same(tmp_path):
    torch.save(network().state_dict(), tmp_path / "w.pth")
    ours = load_prior(f"deepinv:DnCNN={tmp_path / 'w.pth'}")
    again = pickle.loads(pickle.dumps(ours))
    assert again.sha256 == ours.sha256
    assert_close(again.denoiser(image(), SIGMA), ours.denoiser(image(), SIGMA))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("DRUNet", "needs its weights: nothing is downloaded"),
        ("TVDenoiser=w.pth", "has no weights"),
        ("DRUnet=w.pth", "DRUNet"),
        ("DnCNN=absent.pth", "no such file"),
    ],
)
def test_what_is_missing_is_said(name, said):
    with pytest.raises(InputError, match=said):
        rsd.load_prior(f"deepinv:{name}")


def test_files_that_hold_more_than_weights_are_refused(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pth")
    torch.save({"a": torch.ones(3)}, tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04")
    for name, said in (
        ("whole", "more than weights"),
        ("other", "not the weights"),
        ("list", "state_dict"),
        ("cut", "damaged"),
    ):
        with pytest.raises(InputError, match=said):
            rsd.load_prior(f"deepinv:DnCNN={tmp_path / name}.pth")
