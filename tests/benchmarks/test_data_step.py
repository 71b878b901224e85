"""The data step's iterations by compiled loops, against the same by torch's products and the same A^H A.

Run with: OMP_NUM_THREADS=1 pytest tests/benchmarks/test_data_step.py --override-ini addopts= -s
The two take turns, and each counts by the processor time it used: a busy machine slows both.
"""

import time

import pytest
import torch

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import sense_operator
from rsd_mri.operators.conjugate_gradient import conjugate_gradient
from rsd_mri.operators.regularised import solve_regularised
from rsd_mri.operators.sense import compiled

ITERATIONS, SIGMA, WIDTH = 5, 0.01, 0.1


@pytest.mark.parametrize("sets", [1, 2])
def test_loops_against_products(sets, benchmark):
    torch.set_num_threads(1)
    csm = normal((1, sets, 8, 320, 168), generator(0, "csm")) / 8
    start = normal((1, sets, 320, 168), generator(0, "image"))
    gram = compiled(sense_operator(csm, torch.rand(168, generator=generator(0, "mask")) < 0.3).gram)
    right = gram(start.flip(-1)) / SIGMA**2 + start / WIDTH**2

    def loops():
        return solve_regularised(gram, SIGMA**-2, WIDTH**2, right, start, ITERATIONS, 0.0)

    def products():
        return WIDTH * conjugate_gradient(
            lambda v: WIDTH**2 / SIGMA**2 * gram(v) + v, WIDTH * right, start / WIDTH, ITERATIONS, 0.0
        )

    assert torch.allclose(loops(), products(), atol=1e-3)
    taken = {"loops": [], "products": [], "A^H A": []}
    calls = {"loops": loops, "products": products, "A^H A": lambda: [gram(start) for _ in range(ITERATIONS + 1)]}
    for _ in range(20):
        for what, call in calls.items():
            begun = time.process_time()
            call()
            taken[what].append(time.process_time() - begun)
    benchmark.pedantic(loops, rounds=3)
    said = ", ".join(f"{what} {1000 * min(times):.1f} ms" for what, times in taken.items())
    print(f"\n{sets} sets of maps, {ITERATIONS} iterations: {said}")
