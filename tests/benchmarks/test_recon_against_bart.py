"""Learned reconstructions of a wrapped head against `bart pics`, two sets of maps, 100 iterations: time as a ratio.

BART's time includes its start and its files, which is what its users wait for; ours is warm.
"""

import time

import pytest

from rsd_mri.bench.reconstructions import all_peers, simulated_heads
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import PrepSettings
from rsd_mri.reconstruction.full_scans import undersampled
from rsd_mri.reconstruction.memory import Batches
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.reconstruct import run_method

BART = next(peer for peer in all_peers() if peer.name == "BART L1-wavelet")
LIMITS = {"one-step": 0.5, "posterior": 3.0}


@pytest.fixture(scope="module")
def prepared():
    ((scan, _),) = simulated_heads(1, (320, 168), 0)
    short = undersampled(scan, 4.0, 0)
    return PreparedScan.of(short, PrepSettings(sets="2"))[0]


@pytest.mark.skipif(bool(BART.absent), reason="no BART")
@pytest.mark.parametrize("method", LIMITS)
def test_learned_methods_against_bart_pics(method, benchmark, prepared):
    how = method_of(method, samples=1)

    def ours():
        return run_method(how, [prepared], "bench", 0, 0, Batches(1, 1, 0))

    theirs = []

    def beside():
        begun = time.perf_counter()
        BART.run(prepared, 0.003)
        theirs.append(time.perf_counter() - begun)

    # Interleaved: the machine's other work slows both.
    benchmark.pedantic(ours, setup=beside, rounds=3, warmup_rounds=1)
    seconds = benchmark.stats.stats.min
    print(
        f"\n{method}: ours {seconds:.2f} s, bart {min(theirs):.2f} s, ratio {seconds / min(theirs):.2f} "
        f"(aim: at most {LIMITS[method]:g})"
    )
