"""`rsd-mri doctor` tells the truth about this machine."""

import json
import os
import platform
from dataclasses import replace

import numpy
import pytest
import torch
import typer
from typer.testing import CliRunner

import rsd_mri
from rsd_mri.commands.app import app
from rsd_mri.commands.doctor import EXTRAS, Missing, examination, missing


@pytest.fixture(scope="module")
def found():
    return examination()


def test_versions_are_those_that_run(found):
    assert found.python == platform.python_version()
    assert found.version == rsd_mri.__version__
    assert found.libraries["numpy"] == numpy.__version__
    assert torch.__version__.startswith(found.libraries["torch"])
    assert all(found.libraries.values())


def test_devices_are_those_of_torch(found):
    usable = [d.name for d in found.devices if d.usable]
    assert "cpu" in usable
    assert sum(name.startswith("cuda") for name in usable) == torch.cuda.device_count()
    assert found.memory_free_bytes > 0 and found.threads >= 1
    assert os.cpu_count() >= found.cpus >= 1


def test_missing_parts_come_with_the_command_that_installs_them():
    parts = missing({"fiction": ("stories", ("no_such_module",)), "cluster": ("nothing", ("json",))}, {})
    assert parts == [Missing("fiction", "stories", 'pip install "rsd-mri[fiction]"')]
    (program,) = missing({}, {"no-such-program": "tests; https://example.org"})
    assert program.use == "tests" and "https://example.org" in program.install


def test_extras_are_those_of_the_package():
    tomllib = pytest.importorskip("tomllib")
    from pathlib import Path

    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert set(EXTRAS) <= set(tomllib.loads(text)["project"]["optional-dependencies"])


def test_where_compiled_code_is_kept_is_said(found):
    assert any(line.startswith("compiled code: kept in ") for line in found.lines())
    (said,) = (one for one in replace(found, compiled_in=None).lines() if one.startswith("compiled code"))
    assert "NUMBA_CACHE_DIR" in said


def test_a_missing_library_is_said_aloud(found):
    lines = replace(found, libraries={"torch": None}, missing=[]).lines()
    assert any("torch MISSING" in line for line in lines) and "every optional part is installed" in lines


def test_command_ends_well_and_its_last_line_is_json():
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout.splitlines()[-1])
    assert values["python"] == platform.python_version() and values["not_for_diagnostic_use"]
    assert "Not for diagnostic use" in result.stdout


def test_shell_completion_is_offered():
    names = {option for param in typer.main.get_command(app).params for option in param.opts}
    assert {"--install-completion", "--show-completion"} <= names
