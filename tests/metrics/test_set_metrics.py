"""Metrics of sets of images: torch-fidelity's own on the same features, closed forms, and every way in."""

import json
import warnings
import zipfile

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from rsd_mri.commands.app import app
from rsd_mri.errors import InputError
from rsd_mri.experiment.image_sets import MAGNITUDE_WHITE, read_set, to_bytes
from rsd_mri.metrics.distribution import frechet_distance, kernel_distance, precision_recall
from rsd_mri.metrics.features import Extractor, from_file, principal
from rsd_mri.metrics.set_metrics import block_kernel_distance, compare_sets, inception_score, perceptual_distance

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)), 0.7 * rng.normal(size=(150, 6)) + 0.3


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(1)
    return [rng.integers(0, high, (60, 3, 10, 12), np.uint8) for high in (200, 256)]


class Means(torch.nn.Module):
    """Colours' means, and as many logits."""

    def forward(self, images):
        found = images.float().mean((2, 3)) / 255
        return found, 3 * found


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "means.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, from one version of torch or another
        torch.jit.save(torch.jit.script(Means()), str(path))
    return path


def test_distances_are_torch_fidelitys(features):
    metrics = pytest.importorskip("torch_fidelity.metric_fid")
    kid, prc = (pytest.importorskip(f"torch_fidelity.metric_{name}") for name in ("kid", "prc"))
    real, fake = features
    statistics = [metrics.fid_features_to_statistics(torch.from_numpy(f)) for f in (fake, real)]
    theirs = metrics.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(real, fake) == pytest.approx(theirs, rel=1e-6)

    settings = {"kid_subsets": 1, "kid_subset_size": 150, "verbose": False}
    pair = torch.from_numpy(fake), torch.from_numpy(real[:150])
    theirs = kid.kid_features_to_metric(*pair, **settings)["kernel_inception_distance_mean"]
    assert kernel_distance(real[:150], fake) == pytest.approx(theirs, rel=1e-6)

    theirs = prc.prc_features_to_metric(torch.from_numpy(fake), torch.from_numpy(real), verbose=False)
    assert precision_recall(real, fake) == pytest.approx((theirs["precision"], theirs["recall"]))


def test_blocks_of_the_kernel_distance_have_no_bias(features):
    """Equal laws: the mean over blocks is zero within its own interval, far from the distance of other laws."""
    rng = np.random.default_rng(2)
    same = block_kernel_distance(rng.normal(size=(2000, 4)), rng.normal(size=(2000, 4)))
    other = block_kernel_distance(rng.normal(size=(2000, 4)), rng.normal(size=(2000, 4)) + 1)
    assert abs(same.value) < 3 * same.interval and other.value > 10 * other.interval


def test_inception_score_of_certain_and_of_clueless_networks():
    pytest.importorskip("torch_fidelity")
    classes = np.tile(np.eye(5), (400, 1)) * 100
    assert inception_score(classes).value == pytest.approx(5, rel=0.05)  # certain, every class as often
    assert inception_score(np.zeros((200, 5))).value == pytest.approx(1)


def test_a_network_from_a_file(network, pictures):
    pytest.importorskip("torch_fidelity")
    images, real = pictures
    found = compare_sets(images, real, from_file(network, CPU), CPU, batch=7)
    means = [s.astype(np.float64).mean((2, 3)) / 255 for s in (real, images)]
    assert found.figures["frechet_distance"].value == pytest.approx(frechet_distance(*means), rel=1e-4)
    assert found.as_dict()["inception_score"] == pytest.approx(inception_score(3 * means[1]).value, rel=1e-4)
    assert found.feature_count == 3 and len(found.features_sha256) == 64
    assert all(figure.interval >= 0 for figure in found.figures.values())
    assert found.lines()[0] == "60 images against 60; features: means.pt"


@pytest.mark.parametrize("kind", ["missing", "text", "pickled", "exported"])
def test_other_files_of_features_are_refused(tmp_path, kind):
    path = tmp_path / "network.pt2"
    if kind == "text":
        path.write_text("not a network")
    elif kind == "pickled":
        torch.save({"weights": torch.ones(3)}, path)
    elif kind == "exported":
        torch.export.save(torch.export.export(Means(), (torch.zeros(2, 3, 8, 8, dtype=torch.uint8),)), path)
    with pytest.raises(InputError, match="TorchScript"):
        from_file(path, CPU)


def test_features_that_are_none_are_refused(pictures):
    bad = Extractor("bad", lambda images: (images.float(), None))
    with pytest.raises(InputError, match=r"expected finite features \[image, feature\]"):
        compare_sets(*pictures, bad, CPU)
    with pytest.raises(InputError, match="at least 10 images"):
        compare_sets(pictures[0][:3], pictures[1], principal(pictures[1]), CPU)


def test_few_images_for_many_features_are_said(pictures):
    found = compare_sets(*pictures, principal(pictures[1], 64), CPU)
    assert found.feature_count == 59 and "biased" not in "".join(found.lines())
    wide = Extractor("wide", lambda images: (images.float().flatten(1), None))
    assert "biased upwards" in found.lines()[-1] + compare_sets(*pictures, wide, CPU).lines()[-1]


def test_scales_of_images(tmp_path):
    """Real images as the published evaluations have them; magnitudes by one stated factor."""
    real = np.array([-1.0, 0.0, 0.999, 1.0, 3.0], np.float32).reshape(1, 1, 1, 5)
    assert to_bytes(real)[0, 0, 0].tolist() == [0, 128, 255, 255, 255]
    complex_ = np.array([0, 1j, -1, 1.5, 2], np.complex64).reshape(1, 1, 5)
    assert to_bytes(complex_)[0, 2, 0].tolist() == [0, MAGNITUDE_WHITE, MAGNITUDE_WHITE, 255, 255]
    for images, said in (
        (np.zeros((1, 2, 4, 4), np.uint8), "1 or 3 channels"),
        (real * np.nan, "undefined"),
        (np.zeros((1, 1, 4, 4), np.int64), "expected bytes"),
    ):
        with pytest.raises(InputError, match=said):
            to_bytes(images)


def test_sets_are_read_from_every_kind_of_file(tmp_path, pictures):
    images = pictures[0][:4]
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{i}.png")
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    np.save(tmp_path / "images.npy", images)
    with h5py.File(tmp_path / "generated.h5", "w") as file:
        file["images"] = ((images.astype(np.float32) + 0.5 - 128) / 127.5).clip(-1, None)
    for name in ("pictures", "pictures.zip", "images.npy", "generated.h5"):
        assert np.array_equal(read_set(tmp_path / name), images), name
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(folder / "small.png")
    with pytest.raises(InputError, match="pictures of 2 sizes"):
        read_set(folder)


def test_prepared_scans_are_a_reference(tmp_path):
    from data_prep import prepare_folder
    from rsd_mri.protocol import Protocol
    from rsd_mri.simulation import simulate_folder

    simulate_folder(tmp_path / "full", 1, 2, 32, 4, 0.001, None, 0)
    simulate_folder(tmp_path / "under", 1, 1, 32, 4, 0.001, 2.0, 0)
    for name in ("full", "under"):
        prepare_folder(tmp_path / name, tmp_path / f"{name}-prepared", Protocol())
    found = read_set(tmp_path / "full-prepared")
    assert found.shape == (2, 3, 32, 32) and 100 < np.percentile(found, 99) <= 255
    with pytest.raises(InputError, match="undersampled"):
        read_set(tmp_path / "under-prepared")


def test_evaluate_command_on_sets(tmp_path, pictures, network):
    pytest.importorskip("torch_fidelity")
    for name, images in zip(("generated", "real"), pictures, strict=True):
        np.save(tmp_path / f"{name}.npy", images)
    asked = ["evaluate", str(tmp_path / "generated.npy"), "--reference", str(tmp_path / "real.npy"), "--device", "cpu"]
    for features in (str(network), "principal"):
        done = CliRunner().invoke(app, [*asked, "--features", features, "--json"])
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["frechet_distance"] > 0 and found["images"] == found["reference_images"] == 60
        assert set(found["intervals"]) >= {"frechet_distance", "kernel_distance", "precision", "recall"}
        assert "Not for diagnostic use" in done.stdout
    for wrong in (asked[:2], [*asked, str(tmp_path)]):
        done = CliRunner().invoke(app, wrong)
        assert done.exit_code == 2 and "give either" in done.stderr


def test_without_inceptions_weights_the_way_out_is_said(monkeypatch):
    pytest.importorskip("torch_fidelity")
    from rsd_mri.metrics import features as module

    def unreachable(*arguments, **options):
        raise OSError("no route")

    monkeypatch.setattr(module.torch.hub, "load_state_dict_from_url", unreachable)
    with pytest.raises(InputError, match="--features principal"):
        module.inception(CPU)


def test_perceptual_distance_compares_pairs(pictures):
    with pytest.raises(InputError, match="LPIPS compares pairs"):
        perceptual_distance(pictures[0], pictures[1][:5], CPU)


def test_inception_takes_numbers_as_it_takes_bytes(monkeypatch):
    """Its own forward pass on bytes is the truth; untrained weights will do."""
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    from rsd_mri.metrics.features import of_numbers

    monkeypatch.setattr(module, "load_state_dict_from_url", lambda *arguments, **options: {})
    monkeypatch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *arguments, **options: None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"])
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 20, 24), np.uint8))
    with torch.no_grad():
        expected, found = network(images), of_numbers(network, images.float())
        small = of_numbers(network, images.float() / 170)
        again = network(images)
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one, other)
    assert not torch.allclose(expected[0], small[0]) and torch.equal(expected[0], again[0])
