"""The bench commands."""

import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from rsd_mri.bench.benches import BENCHES
from rsd_mri.bench.experiments import EXPERIMENTS
from rsd_mri.bench.scales import SCALES
from rsd_mri.commands.bench import bench
from rsd_mri.rsd import linear


def invoke(*arguments):
    return CliRunner().invoke(bench, list(arguments))


def test_list_names_every_experiment_with_its_published_figure():
    done = invoke("list", "--json")
    assert done.exit_code == 0
    benches = json.loads(done.stdout.splitlines()[-1])["benches"]
    keys = {"name", "corruption", "data", "published", "figures", "source", "protocols", "scales"}
    assert all(set(one) == keys for one in benches)
    names = [b["name"] for b in benches]
    assert len(names) == len(set(names))
    assert {"linear", "mri-r2", "mri-r4", "mri-r6", "mri-r8", "noise-0.2-cifar10"} <= set(names)
    by_name = {b["name"]: b for b in benches}
    assert by_name["mri-r8"]["published"] == "FID 22.51 (teacher 48.15)"


def test_linear_holds_its_closed_forms(monkeypatch):
    small = linear.linear_cases(("identity",), (8,), (2,), (0.0, 0.5))
    monkeypatch.setattr(linear, "mini_cases", lambda seed=0: small)
    done = invoke("run", "linear", "--json")
    assert done.exit_code == 0
    values = json.loads(done.stdout.splitlines()[-1])
    assert values["max_error"] < 1e-3
    assert len(values["cases"]) == 6
    assert "largest difference from the closed forms" in done.stdout


def test_an_unknown_name_is_one_sentence():
    done = invoke("run", "nothing")
    assert done.exit_code == 2
    assert "no bench named 'nothing'" in done.stderr and "Traceback" not in done.output


def test_every_bench_has_scales_protocols_and_settings_that_there_are():
    for name, one in BENCHES.items():
        assert one.about.name == name and set(one.scales) <= set(SCALES) and one.scales
        assert not one.protocols or set(one.protocols) == set(one.scales)
        found = json.loads(invoke("show", name, "--json").stdout.splitlines()[-1])["settings"]["properties"]
        assert found["seed"]["default"] == 0 and all("--set" not in key for key in found)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "recon", "--set", "rival_minutess=2"), "unknown key 'rival_minutess'; .*near it: rival_minutes"),
        (("run", "recon", "--set", "rival_minutes=-1"), "bench recon: rival_minutes: expected at least 0, got -1"),
        (("run", "linear", "--device", "cpu"), "bench linear: unknown key 'device'; known keys: seed"),
        (("run", "restore", "--scale", "paper"), "bench restore: has no scale paper; there is mini"),
        (("run", "recon", "--dry-run"), "--dry-run is for the published experiments"),
        (("run", "mri-r4", "--set", "precision=8"), "precision: expected one of auto, 32, bf16, 16, got '8'"),
        (("run", "mri-r4", "--scale", "paper"), "bench mri-r4: needs its data .--data.. .*rsd-mri"),
        (("run", "mri-r4", "--scale", "paper", "--data", "nowhere"), "bench mri-r4: nowhere is not there"),
    ],
)
def test_what_a_bench_does_not_take_is_one_sentence(arguments, said):
    done = invoke(*arguments)
    assert done.exit_code == 2 and re.search(said, done.stderr), done.output
    assert len(done.stderr.strip().splitlines()) == 1


def test_whole_experiment_says_its_cost():
    done = invoke("run", "noise-0.2-cifar10", "--scale", "paper", "--dry-run", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["parameters"] > 4e7 and found["batch"] == {"teacher": 512, "distillation": 256}
    assert found["gpu_hours"]["teacher"] > 10 and "GPU hours" in done.stdout


@pytest.mark.long
def test_every_experiment_can_be_planned():
    """Parameters, memory and hours of the whole thing."""
    for one in EXPERIMENTS:
        done = invoke("run", one.about.name, "--scale", "paper", "--dry-run", "--json")
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["protocol"] == one.protocols["paper"] and found["parameters"] > 2e7
        assert min(found["memory_bytes"].values()) > 2**30 and min(found["gpu_hours"].values()) > 10


def test_published_figures_are_listed():
    listed = {one["name"]: one for one in json.loads(invoke("list", "--json").stdout.splitlines()[-1])["benches"]}
    expected = {
        "noise-0.1-cifar10": 3.98,
        "noise-0.2-cifar10": 4.77,
        "noise-0.4-cifar10": 21.63,
        "noise-0.2-ffhq": 6.29,
        "noise-0.2-celeba": 6.48,
        "noise-0.2-afhq": 5.42,
        "blur-celeba": 31.9,
        "blur-noise-0.2-celeba": 76.98,
        "inpainting-0.6-celeba": 4.44,
        "inpainting-0.8-celeba": 7.1,
        "inpainting-0.9-celeba": 16.86,
        "inpainting-0.9-noise-0.2-celeba": 79.48,
        "super-resolution-2-celeba": 12.99,
        "mri-r2": 12.95,
        "mri-r4": 10.71,
        "mri-r6": 14.64,
        "mri-r8": 22.51,
    }
    assert {name: one["figures"]["fid"] for name, one in listed.items() if "fid" in one["figures"]} == expected
    assert listed["noise-0.2-cifar10"]["figures"]["denoising_psnr"] == 24.11
    assert listed["noise-0.2-cifar10"]["published"].startswith("FID 4.77 (teacher 12.21, untruncated 60.73)")
    assert all(one["source"] and one["published"] for one in listed.values())


def test_listing_does_not_import_torch():
    code = (
        "import sys; from typer.testing import CliRunner; from rsd_mri.commands.bench import bench; "
        "CliRunner().invoke(bench, ['list']); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_settings_that_benches_share_are_described_too():
    for name in ("recon", "lesions"):
        said = CliRunner().invoke(bench, ["show", name]).stdout
        assert "--set data=  Folder of fully sampled scans" in said
