"""The bench of reconstructions: sane figures, peers that agree with ours, a card."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from rsd_mri.bench_cli import bench
from rsd_mri.errors import InputError
from rsd_mri.evaluation import recon_bench
from rsd_mri.evaluation.recon_bench import Result, all_peers, full_scans, simulated_heads, table


@pytest.fixture(scope="module")
def small():
    return simulated_heads(1, (64, 40), 0)


def test_every_method_and_peer_is_a_row(small, monkeypatch, tmp_path):
    monkeypatch.setattr(recon_bench, "simulated_heads", lambda *_: small)
    monkeypatch.setattr(recon_bench.run_recon_bench, "__defaults__", (2, 0, lambda share, what: None, (2.0,)))
    done = CliRunner().invoke(bench, ["run", "recon", "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads(done.stdout.splitlines()[-1])
    rows = {row["method"]: row for row in found["rows"]}
    assert {"posterior", "posterior, mean of 2", "one-step", "tv", "l1-wavelet", "cg-sense", "zero-filled"} <= set(rows)
    for row in rows.values():
        assert row["note"] or (5 < row["psnr"] < 60 and 0 < row["ssim"] <= 1 and row["seconds"] > 0)
    # The same problem, the same number of sets: BART has the better regularisation of three.
    if not rows["BART TV"]["note"]:
        assert abs(rows["BART TV"]["psnr"] - rows["tv"]["psnr"]) < 4
    assert "BART" in (tmp_path / "recon.md").read_text()
    assert "Not for diagnostic use" in (tmp_path / "recon.md").read_text()
    assert json.loads((tmp_path / "recon.json").read_text())["rows"] == found["rows"]


def test_absent_peers_say_so(monkeypatch):
    monkeypatch.setattr(recon_bench.shutil, "which", lambda name: None)
    absent = [peer for peer in all_peers() if peer.absent]
    assert [peer.name for peer in absent] == ["BART CG-SENSE", "BART L1-wavelet", "BART TV"]
    assert "not installed" in table([Result(4.0, absent[0].name, note=absent[0].absent)])[1]


def test_heads_wrap_and_are_compared_without_noise(small):
    scan, target = small[0]
    assert scan.mask.all() and target.shape == (1, 64, 40)
    assert np.abs(recon_bench.full_image(scan) - target).max() > 0
    clean = replace(scan, kspace=scan.kspace * 0 + 1)
    assert recon_bench.full_image(clean).shape == target.shape


def test_a_folder_without_scans_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one fully sampled scan"):
        full_scans(tmp_path)
