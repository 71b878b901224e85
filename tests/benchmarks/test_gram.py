"""A^H A in parts that stay in the cache, against coils taken in turn by torch's own products.

Run with: OMP_NUM_THREADS=1 pytest tests/benchmarks/test_gram.py --override-ini addopts= -s
The two take turns, and each counts by the processor time it used: a busy machine slows both.
"""

import time

import pytest
import torch

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import sense_operator
from rsd_mri.operators.sense import compiled

SHAPES = {
    "two sets, lines": (2, 8, 320, 168, False),
    "lines": (1, 8, 240, 200, False),
    "points": (2, 8, 320, 168, True),
}


@pytest.mark.parametrize("name", SHAPES)
def test_parts_against_coils_in_turn(name, benchmark):
    sets, coils, rows, columns, points = SHAPES[name]
    torch.set_num_threads(1)
    csm = normal((1, sets, coils, rows, columns), generator(0, "csm"))
    x = normal((1, sets, rows, columns), generator(0, "image"))
    mask = torch.rand((rows, columns) if points else (columns,), generator=generator(0, "mask")) < 0.3
    gram, conjugate = compiled(sense_operator(csm, mask).gram), csm.conj().resolve_conj()

    def in_turn():
        out = torch.zeros_like(x)
        for c in range(coils):
            seen = csm[:, 0, c] * x[:, 0]
            for s in range(1, sets):
                seen = seen + csm[:, s, c] * x[:, s]
            measured = gram.between.forward(seen[:, None])[:, 0]
            for s in range(sets):
                out[:, s].addcmul_(conjugate[:, s, c], measured)
        return out

    assert torch.allclose(gram(x), in_turn(), atol=1e-4)
    taken = {"parts": 0.0, "in turn": 0.0}
    for _ in range(20):
        for what, call in (("parts", lambda: gram(x)), ("in turn", in_turn)):
            begun = time.process_time()
            for _ in range(5):
                call()
            taken[what] += time.process_time() - begun
    benchmark.pedantic(gram, args=(x,), rounds=3)
    print(f"\n{name}: {taken['parts'] / taken['in turn']:.2f} of the time of coils in turn")
