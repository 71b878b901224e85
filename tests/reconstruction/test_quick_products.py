"""A network's products in bfloat16: what they cost in quality, and that the physics keeps its precision."""

from dataclasses import replace

import pytest
import torch

from rsd_mri.bench.reconstructions import simulated_heads
from rsd_mri.machine import device
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import PrepSettings
from rsd_mri.reconstruction.full_scans import undersampled
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.posterior.samplers import DiffPIR
from rsd_mri.reconstruction.reconstruct import reconstruct_scan

CPU = torch.device("cpu")


@pytest.fixture
def forced(monkeypatch):
    def force(quick, whole=False):
        monkeypatch.setattr(device, "bfloat16_is_quick", lambda: quick)
        monkeypatch.setattr(device, "whole_numbers_are_quick", lambda: whole)

    return force


def test_products_alone_are_halved_and_only_without_gradient(forced):
    forced(True)
    a = torch.randn(4, 4)
    z = torch.randn(4, 4, dtype=torch.complex64)
    with torch.no_grad(), device.quick_products(CPU):
        assert (a @ a).dtype == torch.bfloat16
        assert (a * a).dtype == torch.float32
        assert (z @ z).dtype == torch.complex64
    with device.quick_products(CPU):
        assert (a @ a).dtype == torch.float32
    forced(False)
    with torch.no_grad(), device.quick_products(CPU):
        assert (a @ a).dtype == torch.float32


def test_flags_of_the_processor_decide(tmp_path, monkeypatch):
    for flags, quick in (("fpu avx512_bf16", True), ("fpu amx_bf16 sse", True), ("fpu avx512_vnni", False)):
        (tmp_path / "cpuinfo").write_text(f"model name\t: x\nflags\t\t: {flags}\n")
        monkeypatch.setattr(device, "CPUINFO", tmp_path / "cpuinfo")
        device.flags.cache_clear()
        assert device.bfloat16_is_quick() == quick
        assert not device.whole_numbers_are_quick()
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu avx512bw avx512_vnni\n")
    monkeypatch.setattr(device, "CPUINFO", tmp_path / "cpuinfo")
    device.flags.cache_clear()
    assert device.whole_numbers_are_quick()
    monkeypatch.setattr(device, "CPUINFO", tmp_path / "absent")
    device.flags.cache_clear()
    assert not device.bfloat16_is_quick()
    assert not device.whole_numbers_are_quick()
    device.flags.cache_clear()


@pytest.fixture(scope="module")
def wrapped():
    """A head that wraps, prepared with two sets of maps, and its image."""
    ((scan, truth),) = simulated_heads(1, (64, 44), 0)
    return PreparedScan.of(undersampled(scan, 2.0, 0), replace(PrepSettings(), sets="2")), truth


WHOLE = pytest.param(False, True, marks=pytest.mark.skipif(not device.whole_numbers_are_quick(), reason="cannot"))


@pytest.mark.long
@pytest.mark.parametrize(("half", "whole"), [(True, False), WHOLE])
@pytest.mark.parametrize("method", ["one-step", "posterior"])
def test_a_wrapped_head_loses_less_than_a_tenth_of_a_decibel(method, half, whole, wrapped, forced):
    prepared, truth = wrapped
    how = method_of(method, sampler=DiffPIR(levels=4, start="tv"), samples=1)
    found = []
    for quick in ((False, False), (half, whole)):
        forced(*quick)
        found.append(psnr(truth, reconstruct_scan(prepared, how, held_out=False).magnitude))
    assert found[1] != found[0]
    assert found[1] == pytest.approx(found[0], abs=0.1)
