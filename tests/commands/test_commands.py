"""The command line as a user runs it, on small simulated scans."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from rsd_mri.commands.app import COMPLETING, app, main
from rsd_mri.commands.console import refusing
from rsd_mri.commands.table import ROWS, help_text
from rsd_mri.files import sha256
from rsd_mri.scan.arrays import write_cfl

COMMANDS = [
    "simulate",
    "prep",
    "inspect",
    "train",
    "generate",
    "recon",
    "calibrate",
    "restore",
    "evaluate",
    "protocols",
    "demo",
    "doctor",
    "serve",
    "send",
    "openrecon",
    "bench",
    "bench list",
    "bench run",
    "bench show",
    "bench table",
]
TINY = ["--protocol", "demo"]
for _one in ("network.channels=4", "sampler.steps=4", "teacher.batch=4", "distillation.batch=4"):
    TINY += ["--set", _one]


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def last_json(result):
    return json.loads(result.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scans, an undersampled scan, prepared data and a run, made by the commands themselves."""
    base = tmp_path_factory.mktemp("cli")
    call("simulate", base / "scans", "--volumes", 2, "--slices", 2, "--matrix", 64, "--coils", 4, "--seed", 3)
    call("simulate", base / "under", "--volumes", 1, "--slices", 1, "--matrix", 72, "--coils", 4, "--accel", 3)
    call("prep", base / "scans", "--protocol", "demo")
    call("train", "--accel", 4, *TINY, "--data", base / "scans-prepared", "--out", base / "run", "--images", 8)
    return base


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command):
    said = " ".join(call(*command.split(), "--help").output.split())
    assert re.search(rf"Examples?: .*rsd-mri {command}", said)


def test_every_command_is_among_them_and_the_program_has_examples():
    group = typer.main.get_command(app)
    names = {*group.commands, *(f"bench {name}" for name in group.commands["bench"].commands)}
    assert names == set(COMMANDS)
    assert "Examples: rsd-mri demo" in call("--help").output


@pytest.mark.parametrize("columns", [20, 80, 200])
def test_what_is_said_at_once_is_what_typer_would_say(columns, monkeypatch, capsys):
    """The same text by both ways, with every option of the group and every command, each whole in one line of 80."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.argv", ["rsd-mri", "--help"])
    main()
    said = capsys.readouterr().out
    assert said == call("--help").output
    group = typer.main.get_command(app)
    listed = re.findall(r"^  (--\S+(?: / --\S+)?|\w+)  +\S", said, re.M)
    options = [" / ".join(one.opts + one.secondary_opts) for one in group.params]
    assert listed == [*options, "--help", *group.commands]
    assert max(map(len, said.splitlines())) <= (50 if columns == 20 else 78)
    assert columns == 20 or all(f"  {row.about}\n" in said for row in ROWS)


@pytest.mark.parametrize("name", ["recon", "bench"])
def test_the_help_of_a_command_is_what_typer_would_say(name, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["rsd-mri", name, "--help"])
    main()
    at_once = capsys.readouterr().out
    app([name, "--help"], prog_name="rsd-mri", standalone_mode=False)
    assert at_once == capsys.readouterr().out and f"Usage: rsd-mri {name} [OPTIONS]" in at_once


def test_a_call_without_arguments_is_bad_usage(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["rsd-mri"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert capsys.readouterr().err == help_text()


def test_a_shell_is_told_how_a_command_goes_on():
    code = "import sys; sys.argv = ['rsd-mri']; from rsd_mri.commands.app import main; main()"
    asked = {COMPLETING: "complete_bash", "COMP_WORDS": "rsd-mri pr", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["prep", "protocols"], done.stderr


def test_output_that_cannot_be_written_is_said_before_long_work(tmp_path):
    (tmp_path / "file").write_text("a file, not a folder")
    one = ("--volumes", 1, "--slices", 1, "--matrix", 64, "--coils", 4)
    assert "choose another folder" in call("simulate", tmp_path / "file", *one, code=2).stderr
    call("simulate", tmp_path / "scans", *one)
    scan = next((tmp_path / "scans").glob("*.h5"))
    for name in ("file", "file/below"):
        said = call("recon", scan, "--out", tmp_path / name, code=2).stderr
        assert "nothing can be written there" in said and "--out" in said


def test_simulated_files_are_in_fastmri_layout(folder):
    files = sorted((folder / "scans").glob("*.h5"))
    assert len(files) == 2
    with h5py.File(files[0]) as file:
        assert file["kspace"].shape == (2, 4, 64, 64)
        assert file["kspace"].dtype == np.complex64
        assert "ismrmrd_header" in file


def test_prepared_files_and_resume(folder):
    prepared = sorted((folder / "scans-prepared").glob("*.h5"))
    assert len(prepared) == 2
    with h5py.File(prepared[0]) as file:
        assert file["kspace"].shape == file["csm"].shape
        assert file["image"].dtype == np.complex64
        assert file.attrs["not_for_diagnostic_use"]
    before = [sha256(p) for p in prepared]
    times = [p.stat().st_mtime_ns for p in prepared]
    found = last_json(call("prep", folder / "scans", "--protocol", "demo", "--json"))
    assert found["counts"]["volumes_made_now"] == 0
    assert [sha256(p) for p in prepared] == before
    assert [p.stat().st_mtime_ns for p in prepared] == times


def test_inspect_says_what_it_found(folder):
    path = next((folder / "under").glob("*.h5"))
    found = last_json(call("inspect", path, "--json"))
    assert "fastmri" in str(found).lower()
    assert "72" in call("inspect", path).stdout


def test_run_folder_is_complete(folder):
    run = folder / "run"
    for name in ("protocol.yaml", "teacher.safetensors", "generator.safetensors", "metrics.csv", "checkpoint"):
        assert (run / name).exists(), name
    assert list((run / "samples").glob("*.png"))


@pytest.mark.parametrize("network", ["generator", "teacher"])
def test_generate(folder, network):
    out = folder / f"{network}.h5"
    made = call("generate", folder / "run", "-n", 3, "--with", network, "--out", out, "--batch", 2, "--json")
    found = last_json(made)
    assert found["seconds_per_image"] > 0
    assert found["network_calls"] == (1 if network == "generator" else 7)
    with h5py.File(out) as file:
        images = file["images"][()]
        assert images.shape == (3, 64, 64)
        assert images.dtype == np.complex64
        assert file.attrs["not_for_diagnostic_use"]
    assert Path(found["sheet"]).is_file()
    again = folder / f"{network}-again.h5"
    call("generate", folder / "run", "-n", 3, "--with", network, "--out", again, "--batch", 3)
    with h5py.File(again) as file:
        assert np.allclose(file["images"][()], images, atol=1e-4 * np.abs(images).max())


@pytest.mark.parametrize("method", ["posterior", "one-step", "l1-wavelet", "tv", "cg-sense", "zero-filled"])
def test_recon_every_method(folder, method):
    path = next((folder / "under").glob("*.h5"))
    out = folder / f"recon-{method}"
    options = ["--method", method, "--samples", 2, "--no-held-out", "--json"]
    prior = ["--prior", folder / "run"] if method in ("posterior", "one-step") else []
    done = call("recon", path, *prior, "--out", out, *options)
    found = last_json(done)
    assert ("draws no samples: --samples changes nothing" in done.stderr) == (method != "posterior")
    with h5py.File(out / f"{path.stem}_recon.h5") as file:
        assert file["reconstruction"].shape == (1, 72, 72)
        assert file["reconstruction"].dtype == np.float32
        assert file["reconstruction_complex"].dtype == np.complex64
        # The run has no reconstructor: its teacher's step stands in.
        assert file.attrs["method"] == ("teacher" if method == "one-step" else method)
        assert file.attrs["not_for_diagnostic_use"]
        assert file.attrs["mask_source"] == "file"
        assert ("std" in file) == (method == "posterior")
        if method == "posterior":
            assert file["samples"].shape == (2, 1, 72, 72)
    one = found["reconstructions"][0]
    assert one["acceleration"] == pytest.approx(3.0, rel=0.05)
    assert one["files"]
    quality = last_json(call("evaluate", folder / "under", out, "--json"))
    assert set(quality) >= {"nmse", "psnr", "ssim"}
    assert quality["psnr"] > 10


def test_recon_in_all_formats_with_a_page(folder):
    path = next((folder / "under").glob("*.h5"))
    out = folder / "formats"
    formats = ["--format", "h5,nifti,dicom,png", "--report"]
    found = last_json(call("recon", path, "--method", "cg-sense", "--out", out, *formats, "--json"))
    endings = {Path(f).suffix for f in found["reconstructions"][0]["files"]}
    assert {".h5", ".png", ".html", ".dcm"} <= endings
    assert endings & {".nii", ".gz"}


def test_same_seed_same_samples(folder):
    path = next((folder / "under").glob("*.h5"))
    images = []
    for name, samples in (("a", 2), ("b", 1)):
        options = ["--samples", samples, "--levels", 6, "--no-held-out", "--seed", 5]
        call("recon", path, "--prior", folder / "run", "--out", folder / name, *options)
        with h5py.File(folder / name / f"{path.stem}_recon.h5") as file:
            images.append(file["samples"][0, 0])
    assert np.allclose(images[0], images[1], rtol=1e-3, atol=1e-3 * images[0].max())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["recon", "nothing.h5", "--method", "cg-sense"], "nothing.h5"),
        (["recon", "x.h5", "--method", "cg-sense", "--format", "jpeg"], "--format jpeg: expected some of h5"),
        (["train", "--accel", "5"], "no protocol has this acceleration"),
        (["train"], "give --accel R or --protocol NAME"),
        (["train", "--accel", "4", "--from", "nowhere"], "nowhere: no such run folder"),
        (["train", "--accel", "4", "--guide", "nowhere"], "nowhere: no such run folder"),
        (
            ["train", "--accel", "4", "--guide", ".", "--stage", "teacher"],
            "guides the distillation, not --stage teacher",
        ),
        (
            ["train", "--accel", "4", "--set", "distillation.autoguidance=1"],
            "the run has no guide; give --guide EARLIER",
        ),
        (["train", "--accel", "4", "--data", "nowhere"], "nowhere: no such folder"),
        (["generate", "nowhere"], "nowhere: no such run folder"),
        (["generate", "--autoguidance", "2"], "is the weight of a guide, and there is none; give --guide EARLIER"),
        (["protocols", "nothing"], "no protocol named 'nothing'"),
        (["prep", "nowhere"], "nowhere: no such file or folder"),
        (["train", "--accel", "4", "--set", "mask.kind"], "expected key=value"),
        (["recon", "x.h5", "--method", "tv", "--prior", "run"], "--prior run: method tv has no prior"),
        (["recon", "x.h5", "--method", "tv", "--calibration", "c.json"], "method tv says no standard deviation"),
        (["recon", "x.h5", "--method", "one-step", "--levels", "9"], "--levels: method one-step draws no samples"),
        (
            ["recon", "x.h5", "--method", "tv", "--sampler", "langevin", "--consistency"],
            "--sampler and --consistency: method tv draws no samples",
        ),
        (["recon", "x.h5", "--method", "teacher", "--calibration", "c.json"], "teacher says no standard deviation"),
        (["recon", "x.h5", "--format", "png,nifti", "--keep-protocol"], "names are kept in h5 or dicom only"),
        (["recon", ".", "--workers", "2", "--scheduler", "tcp://x:1"], "the cluster of --scheduler has its own"),
        (["prep", ".", "--workers", "2", "--scheduler", "tcp://x:1"], "the cluster of --scheduler has its own"),
        (["calibrate", ".", "--workers", "2", "--scheduler", "tcp://x:1"], "the cluster of --scheduler has its own"),
        (["prep", ".", "--set", "teacher.images=5"], "changes nothing of what is prepared; expected prep.* or mask.*"),
        (
            ["prep", ".", "--protocol", "noise-0.2-cifar10", "--set", "prep.calib_width=16"],
            "--set prep.calib_width: changes nothing of what is prepared; expected data.matrix",
        ),
        (["train", "--accel", "4", "--protocol", "noise-0.2-cifar10"], "is of noise; leave --accel out"),
        (["protocols", "mri-r4", "--schema"], "that of all protocols; leave mri-r4 or --schema out"),
        (["bench", "run", "mri-r4", "--data", "scans"], "data: of no use at scale mini"),
        (["bench", "run", "mri-r4", "--scale", "paper", "--set", "minutes=5"], "minutes: of no use at scale paper"),
        (["evaluate", ".", ".", "--batch", "8"], "--batch: of sets of images"),
        (["evaluate", ".", ".", "--lpips", "--training", "."], "--lpips and --training: of sets of images"),
        (
            ["prep", ".", "--protocol", "noise-0.2-cifar10", "--dry-run", "--axes", "coil,readout,phase"],
            "--dry-run and --axes: of raw scans; protocol 'noise-0.2-cifar10' prepares pictures",
        ),
        (["generate", "--truncate", "0.3"], "in one call, so that it has no solver, no steps and no noise level"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_code_2(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call(*arguments, code=2)
    assert sentence in result.stderr
    assert "Traceback" not in result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "value", "known"),
    [("--method", "magic", "l1-wavelet"), ("--sampler", "magic", "diffpir"), ("--sets", "3", "auto, 1, 2")],
)
def test_a_name_of_no_row_is_refused_with_those_there_are(option, value, known):
    said = call("recon", "x.h5", option, value, code=2).stderr
    assert f"'{value}' is none of" in said and known in said


def test_one_bad_file_among_good_ones(folder):
    good = next((folder / "under").glob("*.h5"))
    bad = folder / "bad.h5"
    bad.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    out = folder / "mixed"
    result = call("recon", bad, good, "--method", "zero-filled", "--out", out, code=1)
    assert "bad.h5" in result.stderr
    assert (out / f"{good.stem}_recon.h5").is_file()
    assert not (out / "bad_recon.h5").exists()
    call("recon", bad, "--method", "zero-filled", "--out", out, code=2)


def test_the_name_that_both_files_of_bart_have_is_enough(folder, tmp_path):
    with h5py.File(next((folder / "under").glob("*.h5"))) as file:
        write_cfl(tmp_path / "ksp.cfl", file["kspace"][()])
    assert last_json(call("inspect", tmp_path / "ksp", "--json"))["format"] == "cfl"
    assert last_json(call("prep", tmp_path / "ksp", "--dry-run", "--json"))["counts"]["volumes_missing"] == 1
    call("inspect", tmp_path / "other", code=2)


def test_protocols_lists_and_prints():
    assert "mri-r4" in call("protocols").stdout
    assert "acceleration: 4.0" in call("protocols", "mri-r4").stdout


@pytest.mark.long
def test_the_demonstration_runs_to_its_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call("demo", "--fast")
    assert list((tmp_path / "rsd-mri-demo" / "reconstruction").glob("*.html"))


def test_a_library_without_room_in_memory_is_one_sentence(capsys):
    with pytest.raises(typer.Exit) as ended, refusing():
        raise ImportError("libtorch_cpu.so: failed to map segment from shared object")
    assert ended.value.exit_code == 2
    assert "memory" in capsys.readouterr().err
    with pytest.raises(ImportError, match="no module"), refusing():
        raise ImportError("no module of this name")


def test_numbers_that_are_not_finite_are_null_in_json(tmp_path):
    """Equal images have an infinite PSNR, which JSON has no word for."""
    image = np.random.default_rng(0).random((2, 40, 40)).astype(np.float32)
    for folder, name in (("targets", "reconstruction_rss"), ("predictions", "reconstruction")):
        (tmp_path / folder).mkdir()
        with h5py.File(tmp_path / folder / "a.h5", "w") as file:
            file[name] = image
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "targets"), str(tmp_path / "predictions"), "--json"])
    assert done.exit_code == 0, done.output

    def refused(word):
        raise AssertionError(word)

    values = json.loads(done.stdout.splitlines()[-1], parse_constant=refused)
    assert (values["psnr"], values["ssim"], values["files"][0]["psnr"]) == (None, 1.0, None)
