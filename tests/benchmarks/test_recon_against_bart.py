"""Learned reconstructions against `bart pics`, two sets of maps, 100 iterations: time as a ratio.

Run with: OMP_NUM_THREADS=1 pytest tests/benchmarks/test_recon_against_bart.py --override-ini addopts= -s
Both by the processor time used, in turns: a busy machine slows both. BART's includes its start and its files, which its
users wait for; ours is warm.
"""

import resource
from functools import partial

import pytest
import torch

from rsd_mri.bench.reconstructions import all_peers, simulated_heads
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import PrepSettings
from rsd_mri.reconstruction.full_scans import undersampled
from rsd_mri.reconstruction.memory import Batches
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.own_lines import spread_on_own_lines
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.reconstruction.reconstruct import run_method

BART = next(peer for peer in all_peers() if peer.name == "BART L1-wavelet")
CPU = torch.device("cpu")
# method, size of the slice, samples, most of BART's time wanted
ROWS = {
    "one-step": ("one-step", (320, 168), 1, 0.5),
    "one-step, 320x320": ("one-step", (320, 320), 1, 0.5),
    "few-step": ("few-step", (320, 168), 1, 1.0),
    "posterior, one sample": ("diffpir", (320, 168), 1, 1.0),
    "posterior, mean of four with deviation and own lines": ("diffpir", (320, 168), 4, 2.5),
    "shared, mean of four with deviation and own lines": ("shared", (320, 168), 4, 2.5),
}


def seconds():
    """Processor time of this process and of those it has waited for."""
    of = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in of)


def reconstruct(method, prepared):
    if method.samples > 1:
        spread_on_own_lines(method, prepared, "bench", 0, CPU)
    return run_method(method, [prepared], "bench", 0, 0, Batches(1, method.samples, 0))


@pytest.mark.timeout(1800)
@pytest.mark.skipif(bool(BART.absent), reason="no BART")
@pytest.mark.parametrize("row", ROWS)
def test_learned_methods_against_bart_pics(row, benchmark, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # BART's threads wait by computing
    torch.set_num_threads(1)
    name, size, samples, wanted = ROWS[row]
    sampler = SAMPLERS.get(name)
    method = method_of("posterior", sampler=sampler, samples=samples) if sampler else method_of(name)
    ((scan, _),) = simulated_heads(1, size, 0)
    prepared = PreparedScan.of(undersampled(scan, 4.0, 0), PrepSettings(sets="2"))[0]
    reconstruct(method_of("posterior", sampler=SAMPLERS["few-step"], samples=1), prepared)  # compiled code is loaded
    calls = {"ours": partial(reconstruct, method, prepared), "bart": partial(BART.run, prepared, 0.003)}
    taken = {what: [] for what in calls}
    for _ in range(3 if samples == 1 else 1):
        for what, call in calls.items():
            begun = seconds()
            call()
            taken[what].append(seconds() - begun)
    ours, theirs = (min(taken[what]) for what in ("ours", "bart"))
    benchmark.extra_info["ratio to bart pics"] = ours / theirs
    benchmark.pedantic(BART.run, args=(prepared, 0.003), rounds=1)
    print(f"\n{row}: ours {ours:.2f} s, bart {theirs:.2f} s, ratio {ours / theirs:.2f} (aim: at most {wanted:g})")
