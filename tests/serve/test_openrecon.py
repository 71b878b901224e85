"""The package for OpenRecon against the rules of its published schema, version 1.1.0."""

import base64
import json
import re
import shutil
import subprocess

import pytest
from typer.testing import CliRunner

from rsd_mri.about import __version__
from rsd_mri.commands.app import app
from rsd_mri.reconstruction.methods import OF_ONE_FRAME
from rsd_mri.serve.openrecon import semantic_version
from rsd_mri.serve.settings import Settings, with_text

FIELDS = {
    "boolean": ({"type", "id", "label", "default"}, {"information"}),
    "string": ({"type", "id", "label"}, {"information", "default", "isLargeText"}),
    "choice": ({"type", "id", "label", "default", "values"}, {"information"}),
    "int": ({"type", "id", "label", "minimum", "maximum", "default"}, {"information", "unit"}),
}
"""Fields that a parameter of each type must and may have."""
REGULATORY = {
    "device_trade_name", "production_identifier", "manufacturer_address", "made_in", "manufacture_date",
    "material_number", "gtin", "udi", "safety_advices", "special_operating_instructions",
    "additional_relevant_information",
}  # fmt: skip
SEMVER = r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"


def english(value):
    return isinstance(value, dict) and isinstance(value.get("en"), str)


def check_label(label):
    assert set(label) == {"general", "reconstruction", "parameters"}
    general = label["general"]
    assert {"name", "version", "vendor", "information", "id", "regulatory_information"} == set(general)
    assert english(general["name"]) and english(general["information"]) and re.fullmatch(SEMVER, general["version"])
    assert set(general["regulatory_information"]) == REGULATORY
    assert all(isinstance(value, str) for value in general["regulatory_information"].values())
    reconstruction = label["reconstruction"]
    assert reconstruction["transfer_protocol"] == {"protocol": "ISMRMRD", "version": "1.4.1"}
    assert reconstruction["emitter"] in ("raw", "image") and reconstruction["injector"] in ("image", "compleximage")
    assert type(reconstruction["port"]) is int and type(reconstruction["can_use_gpu"]) is bool
    assert reconstruction["min_required_memory"] >= 0 and reconstruction["min_count_required_cpu_cores"] >= 1
    assert reconstruction["content_qualification_type"] in ("PRODUCT", "SERVICE", "RESEARCH")
    allowed = {
        "transfer_protocol", "port", "emitter", "injector", "can_process_adjustment_data", "can_use_gpu",
        "min_count_required_gpus", "min_required_gpu_memory", "min_count_required_cpu_cores", "min_required_memory",
        "content_qualification_type", "require_readout_filter_off", "channel_compression",
    }  # fmt: skip
    assert set(reconstruction) <= allowed
    parameters = label["parameters"]
    # A slice comes alone: what needs several frames at once is not offered.
    offered = {value["id"] for one in parameters if one["id"] in ("config", "method") for value in one["values"]}
    assert offered - {"", "null"} == set(OF_ONE_FRAME) and "temporal-tv" not in offered
    assert len(parameters) <= 14 and len({json.dumps(one) for one in parameters}) == len(parameters)
    for one in parameters:
        must, may = FIELDS[one["type"]]
        assert must <= set(one) <= must | may
        assert re.fullmatch("[A-Za-z0-9]+", one["id"]) and english(one["label"])
        assert "information" not in one or english(one["information"])
        if one["type"] == "int":
            assert -(2**31) <= one["minimum"] <= one["default"] <= one["maximum"] < 2**31
        if one["type"] == "choice":
            ids = [value["id"] for value in one["values"]]
            assert one["default"] in ids and len(set(ids)) == len(ids)
            assert all(set(v) == {"id", "name"} and english(v["name"]) for v in one["values"])
        if one["type"] == "boolean":
            assert type(one["default"]) is bool


@pytest.fixture(scope="module", params=["posterior", "tv"])
def package(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("openrecon") / "package"
    done = CliRunner().invoke(app, ["openrecon", str(folder), "--vendor", "lab7", "--method", request.param, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1])["archive"] == f"OpenRecon_lab7_rsd-mri_V{__version__}.zip"
    return folder, request.param


def test_the_label_keeps_the_rules(package):
    folder, method = package
    label = json.loads((folder / "OpenReconLabel.json").read_text())
    check_label(label)
    assert {path.name for path in folder.iterdir()} == {"OpenReconLabel.json", "Dockerfile", "README.md", "build.sh"}
    (config,) = [one for one in label["parameters"] if one["id"] == "config"]
    assert config["type"] == "choice" and config["default"] == method
    wanted = {"port": 9002, "emitter": "raw", "injector": "image", "can_use_gpu": False}
    assert wanted.items() <= label["reconstruction"].items()
    assert label["reconstruction"]["content_qualification_type"] == "RESEARCH"


def test_what_the_console_sends_is_understood(package):
    folder, method = package
    label = json.loads((folder / "OpenReconLabel.json").read_text())
    sent = {one["id"]: str(one["default"]) for one in label["parameters"]}
    settings, warnings, remark = with_text(Settings(), json.dumps({"parameters": sent}).encode(), Settings())
    assert (warnings, remark) == ([], None)
    assert settings == Settings(config=method, method=method)
    for one in label["parameters"]:
        for value in one.get("values", []):
            text = json.dumps({"parameters": {**sent, one["id"]: value["id"]}}).encode()
            assert with_text(Settings(), text, Settings())[1] == []


def test_the_dockerfile_carries_the_label_and_ends_when_told(package):
    folder, _ = package
    text = (folder / "Dockerfile").read_text()
    name, encoded = re.search(r'^LABEL "([^"]+)"="([^"]+)"$', text, re.M).groups()
    assert name == "com.siemens-healthineers.magneticresonance.openrecon.metadata:1.1.0"
    assert base64.b64decode(encoded) == (folder / "OpenReconLabel.json").read_bytes()
    assert text.rstrip().endswith('CMD ["rsd-mri", "serve", "--host", "0.0.0.0"]')
    assert "EXPOSE 9002" in text and "USER root" in text and "linux/amd64" in text and f"rsd-mri=={__version__}" in text
    assert "@" not in re.sub(r"\$\{.*?\}", "", text.replace(encoded, ""))


def test_the_manual_names_every_parameter_and_what_it_is_not_for(package):
    folder, _ = package
    manual = (folder / "README.md").read_text()
    label = json.loads((folder / "OpenReconLabel.json").read_text())
    assert "Not for diagnostic use" in manual
    assert all(f"`{one['id']}`" in manual for one in label["parameters"])


def test_the_build_script_refuses_a_docker_that_writes_another_layout(package, tmp_path):
    folder, _ = package
    assert subprocess.run(["bash", "-n", folder / "build.sh"], check=False).returncode == 0
    for name, text in (("docker", 'echo "Docker version 25.0.3, build abc"'), ("zip", "true")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", folder / "build.sh"], capture_output=True, text=True, check=False, env={"PATH": path}
    )
    assert done.returncode == 1 and "docker 25.0.3" in done.stderr and "docker 24" in done.stderr


def test_a_vendor_that_names_no_file_is_refused(tmp_path):
    done = CliRunner().invoke(app, ["openrecon", str(tmp_path / "x"), "--vendor", "../a b"])
    assert done.exit_code == 2 and "--vendor" in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("version", "expected"), [
    ("0.1.0", "0.1.0"), ("1.2", "1.2.0"), ("0.2.0rc1", "0.2.0-rc1"), ("0.2.0.dev3+abc", "0.2.0-dev3+abc"),
])  # fmt: skip
def test_versions_become_semantic(version, expected):
    assert semantic_version(version) == expected and re.fullmatch(SEMVER, expected)


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode,
    reason="docker does not run here",
)
def test_the_image_is_built_and_answers(package):
    folder, _ = package
    tag = "rsd-mri-test:latest"
    subprocess.run(["docker", "build", "--platform", "linux/amd64", "-t", tag, folder], check=True)
    run = ["docker", "run", "--rm", "-d", "-p", "127.0.0.1:9402:9002", tag]
    container = subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()
    try:
        commands = (
            ["rsd-mri", "simulate", "/opt/try", "--volumes", "1", "--slices", "1", "--matrix", "64", "--coils", "4"],
            ["sh", "-c", "rsd-mri send /opt/try/*.h5 --config l1-wavelet"],
        )
        for command in commands:
            subprocess.run(["docker", "exec", container, *command], check=True)
    finally:
        subprocess.run(["docker", "stop", container], check=True)
