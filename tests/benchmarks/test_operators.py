"""A^H A against a bare pair of 2-D FFTs, which is what it replaces, and against sigpy's.

Run with: pytest tests/benchmarks/test_operators.py --override-ini addopts= -s

Rounds of the two rivals alternate, and the ratio is the median over pairs: a busy machine slows both.
"""

import time

import numpy as np
import pytest
import sigpy.mri.linop
import torch

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import sense_operator

# name, batch, coils, readout, phase_encode, 2-D mask, largest ratio to the FFT pair wanted
SHAPES = [
    ("scan, lines", 1, 8, 320, 320, False, 0.75),
    ("scan, 2-D", 1, 8, 320, 320, True, 1.1),
    ("training, lines", 16, 4, 64, 64, False, 1.0),
    ("training, 2-D", 16, 4, 64, 64, True, 1.5),
]


def seconds(call, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def median_ratio(call, peer, rounds=15, repeats=4):
    seconds(call, 2), seconds(peer, 2)
    return float(np.median([seconds(call, repeats) / seconds(peer, repeats) for _ in range(rounds)]))


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def problem(batch, n_coils, readout, phase_encode, two_d):
    csm = normal((batch, n_coils, readout, phase_encode), generator(0, "csm"))
    image = normal((batch, readout, phase_encode), generator(0, "image"))
    shape = (readout, phase_encode) if two_d else (phase_encode,)
    return csm, image, torch.rand(shape, generator=generator(0, "mask")) < 0.3


@pytest.mark.parametrize(("name", "b", "c", "h", "w", "two_d", "wanted"), SHAPES, ids=[s[0] for s in SHAPES])
def test_gram_against_a_pair_of_ffts(name, b, c, h, w, two_d, wanted, benchmark):
    csm, image, mask = problem(b, c, h, w, two_d)
    gram, coil_images = sense_operator(csm, mask).gram, csm * image[:, None]
    ratio = median_ratio(lambda: gram(image), lambda: torch.fft.ifft2(torch.fft.fft2(coil_images)))
    benchmark.extra_info["ratio to a pair of FFTs"] = ratio
    benchmark(gram, image)
    print(f"\n{name}: A^H A takes {ratio:.2f} of a pair of 2-D FFTs (wanted: {wanted})")


@pytest.mark.parametrize("two_d", [False, True], ids=["lines", "2-D"])
def test_gram_against_sigpy(two_d, benchmark):
    csm, image, mask = problem(1, 8, 320, 320, two_d)
    theirs = sigpy.mri.linop.Sense(csm[0].numpy(), weights=mask.float().expand(320, 320).numpy().copy())
    x = image[0].numpy()
    gram = sense_operator(csm, mask).gram
    assert np.allclose(gram(image)[0], theirs.N(x), atol=1e-4)
    ratio = median_ratio(lambda: gram(image), lambda: theirs.N(x), rounds=7, repeats=2)
    benchmark.extra_info["ratio to sigpy"] = ratio
    benchmark(gram, image)
    print(f"\nA^H A takes {ratio:.2f} of sigpy's")
