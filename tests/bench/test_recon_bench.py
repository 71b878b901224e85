"""The bench of reconstructions: sane figures, peers that agree with ours, a card."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rsd_mri.bench import peers, rival
from rsd_mri.bench import reconstructions as recon_bench
from rsd_mri.bench.peers import all_peers
from rsd_mri.bench.reconstructions import Result, full_scans, rival_for, simulated_heads, table
from rsd_mri.commands.bench import bench
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.operators import sense_operator
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.reconstruction.full_scans import undersampled
from rsd_mri.simulation import draw_head, simulate_slice


@pytest.fixture(scope="module")
def small():
    return simulated_heads(1, (64, 40), 0)


@pytest.mark.long
def test_every_method_and_peer_is_a_row(small, monkeypatch, tmp_path):
    monkeypatch.setattr(recon_bench, "simulated_heads", lambda *_, **__: small)
    monkeypatch.setattr(recon_bench.run_recon_bench, "__defaults__", (2, 0, SILENT, (2.0,), (), (), None))
    asked = ["run", "recon", "--out", str(tmp_path), "--set", "rival_minutes=0", "--set", "accelerations=[2]", "--json"]
    done = CliRunner().invoke(bench, asked)
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


@pytest.mark.long
def test_spokes_are_a_bench_of_our_rows(monkeypatch, tmp_path):
    pytest.importorskip("mrinufft")
    pytest.importorskip("finufft")
    monkeypatch.setattr("rsd_mri.bench.recon.HEADS", {"mini": (1, (48, 48))})
    asked = ["run", "recon", "--out", str(tmp_path), "--set", "along=radial", "--set", "accelerations=[2]", "--json"]
    done = CliRunner().invoke(bench, [*asked, "--set", "methods=[zero-filled, cg-sense, tv]"])
    assert done.exit_code == 0, (done.output, done.exception)
    rows = {row["method"]: row["psnr"] for row in json.loads(done.stdout.splitlines()[-1])["rows"]}
    assert list(rows) == ["zero-filled", "cg-sense", "tv"] and rows["zero-filled"] < rows["tv"] < 60
    done = CliRunner().invoke(bench, [*asked, "--set", "data=full"])
    assert done.exit_code == 2 and "leave data out" in done.output


@pytest.mark.long
def test_points_and_one_coil_beside_another_library(monkeypatch, tmp_path):
    monkeypatch.setattr("rsd_mri.bench.recon.HEADS", {"mini": (3, (64, 60))})
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    asked = ["run", "recon", "--out", str(tmp_path), "--set", "pattern=poisson", "--set", "coils=1", "--json"]
    asked += ["--set", "heads=1", "--set", "accelerations=[3]"]
    done = CliRunner().invoke(bench, [*asked, "--set", "methods=[zero-filled, tv, BART TV]"])
    assert done.exit_code == 0, (done.output, done.exception)
    rows = {row["method"]: row for row in json.loads(done.stdout.splitlines()[-1])["rows"]}
    assert list(rows) == ["zero-filled", "tv", "BART TV"] and rows["BART TV"]["note"] == "BART is not installed"
    assert rows["zero-filled"]["psnr"] < rows["tv"]["psnr"] < 60
    done = CliRunner().invoke(bench, [*asked, "--set", "along=radial"])
    assert done.exit_code == 2 and "leave one of the two out" in done.output
    done = CliRunner().invoke(bench, [*asked, "--set", "methods=[BART T]"])
    assert done.exit_code == 2 and "near it: BART TV" in done.output


def test_absent_peers_say_so(monkeypatch):
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    monkeypatch.setattr(peers, "DEEPINV_ABSENT", "deepinv is not installed")
    monkeypatch.setattr(peers, "BARTORCH_ABSENT", "bartorch is not installed")
    absent = [peer for peer in all_peers() if peer.absent]
    assert [peer.name for peer in absent] == [
        "BART CG-SENSE", "BART L1-wavelet", "BART TV", "BART L1-wavelet (1.0, bartorch), one set",
        "BART TV (1.0, bartorch), one set", "deepinv TV, one set",
    ]  # fmt: skip
    assert "not installed" in table([Result(4.0, absent[0].name, note=absent[0].absent)])[1]


def test_a_peer_that_fails_is_a_row_that_says_so(small, monkeypatch):
    def fails(one, weight):
        raise RuntimeError("no image today\n")

    monkeypatch.setattr(recon_bench, "all_peers", lambda: [peers.Peer("a rival", "", "tv", fails)])
    found = recon_bench.run_recon_bench(small, None, accelerations=(2.0,), only=("zero-filled", "a rival"))
    rows = {row.method: row for row in found}
    assert rows["a rival"].note == "failed: no image today" and rows["zero-filled"].psnr > 5


def test_heads_wrap_and_are_compared_without_noise(small):
    scan, target = small[0]
    assert scan.mask.all() and target.shape == (1, 64, 40)
    assert np.abs(recon_bench.full_image(scan) - target).max() > 0
    clean = replace(scan, kspace=scan.kspace * 0 + 1)
    assert recon_bench.full_image(clean).shape == target.shape


def test_a_folder_without_scans_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one fully sampled scan"):
        full_scans(tmp_path)


def prepared(scan):
    return PreparedScan.of(undersampled(scan, 2.0, 0))[0]


def test_deepinv_is_given_our_operator(small):
    """The same maps, mask, transform and signs: its forward operator is ours."""
    pytest.importorskip("deepinv")
    one = prepared(small[0][0])
    image = torch.randn(1, *one.kspace.shape[-2:], dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    theirs = peers.deepinv_physics(one)(torch.view_as_real(image).moveaxis(-1, 1))
    csm = torch.from_numpy(one.csm if one.n_sets == 1 else one.csm[0])[None]
    ours = sense_operator(csm, torch.from_numpy(one.mask))(image)
    assert torch.allclose(torch.view_as_complex(theirs.moveaxis(1, -1).contiguous()), ours, atol=1e-5)


@pytest.mark.long
def test_the_rival_is_trained_once_and_stored(small, tmp_path, monkeypatch):
    pytest.importorskip("deepinv")
    told = []
    args = tmp_path, (64, 40), 0.02, 0, Progress(lambda share, name, detail: told.append(detail)), (2.0,), 1
    peer, said = rival_for(*args)
    assert told[-1] == "training the rival" and "0.02 minutes" in said
    one = prepared(small[0][0])
    first = peer.run(one, 0.0)[0]
    assert first.shape == one.kspace.shape[-2:] and np.isfinite(first).all()
    told.clear()
    again, _ = rival_for(*args)
    assert not told
    assert np.allclose(again.run(one, 0.0)[0], first, atol=1e-6)
    # Training changed it.
    untrained = rival.untrained(0).eval()
    with torch.no_grad():
        start = untrained(peers.deepinv_kspace(one), peers.deepinv_physics(one))
    assert float((torch.view_as_complex(start[0].moveaxis(0, -1).contiguous()) - torch.from_numpy(first)).norm()) > 0


def test_a_rival_without_its_library_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(rival, "DEEPINV_ABSENT", "deepinv is not installed")
    peer, said = rival_for(tmp_path, (64, 40), 1.0, 0, SILENT)
    assert "not installed" in peer.absent and not said


@pytest.mark.parametrize(
    "name", ["BART CG-SENSE", pytest.param("BART TV (1.0, bartorch), one set", marks=pytest.mark.long)]
)
def test_bart_sees_no_shift_at_odd_sizes(name):
    """Told the true maps and all lines, it finds the image: 0.8.00 and 1.0.00, which differ there."""
    bart = next(peer for peer in all_peers() if peer.name == name)
    if bart.absent:
        pytest.skip(bart.absent)
    size = (65, 41)
    kspace, csm, image = simulate_slice(draw_head(6, 0, 1, 8, plane="axial"), 0, size)
    other = PreparedScan.of(undersampled(simulated_heads(1, size, 0)[0][0], 2.0, 0))[0]
    one = replace(other, kspace=kspace.numpy(), csm=csm.numpy())
    found, _ = bart.run(one, 1e-4)
    assert np.linalg.norm(abs(found) - abs(image.numpy())) < 0.03 * np.linalg.norm(image.numpy())
