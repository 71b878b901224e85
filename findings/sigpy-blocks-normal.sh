#!/usr/bin/env bash
# sigpy 0.1.27: the normal operator `.N` of `linop.ArrayToBlocks` and `linop.BlocksToArray` is the identity, whatever the strides are. That is so where
# blocks lie side by side; where they overlap, as of the patches of local low rank models, A^H A multiplies every pixel by the number of blocks that it is in.
# `.H` is the adjoint. What solves with `.N` (conjugate gradients, the usual solver of `app.LinearLeastSquares`, its gradient method, `MaxEig`)
# ends without a word at another image: from the exact blocks of 8 x 8 of an image, 4 apart, it makes the image times 1 to 4, 2
# apart times 1 to 16. The solver without `.N` (primal-dual) gives the image back.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile "sigpy==0.1.27" "numpy==2.2.6"
export OMP_NUM_THREADS=1
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import sigpy as sp

print("sigpy", version("sigpy"))
rng = np.random.default_rng(0)
size, block = 32, 8
image = rng.standard_normal((size, size)) + 1j * rng.standard_normal((size, size))


def apart(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


for stride in (8, 4, 2):
    blocks = sp.linop.ArrayToBlocks((size, size), (block, block), (stride, stride))
    data = blocks(image)
    other = rng.standard_normal(data.shape) + 1j * rng.standard_normal(data.shape)
    assert np.isclose(np.vdot(other, blocks(image)), np.vdot(blocks.H(other), image)), "it is no adjoint"
    # Blocks that begin at 0, stride, ...: how many of them hold a pixel, counted along an axis.
    along = sum((np.arange(size) >= begin) & (np.arange(size) < begin + block) for begin in range(0, size - block + 1, stride))
    number = np.outer(along, along)
    exact, normal = apart(blocks.H(blocks(image)), number * image), apart(blocks.N(image), blocks.H(blocks(image)))
    back = blocks.H
    returned = apart(back.N(other), back.H(back(other)))
    largest = sp.app.MaxEig(blocks.N, dtype=complex, show_pbar=False).run()
    print(f"stride {stride}: a pixel lies in {number.min()} to {number.max()} blocks; .N is {normal:.2f} from .H of the blocks (of the way back {returned:.2f}); "
          f"largest eigenvalue by MaxEig {largest:.1f}")
    found = {}
    for solver, rounds in (("ConjugateGradient", 100), ("GradientMethod", 200), ("PrimalDualHybridGradient", 2000)):
        found[solver] = sp.app.LinearLeastSquares(blocks, data, solver=solver, max_iter=rounds, show_pbar=False).run()
        print(f"    {solver}: {apart(found[solver], image):.3f} from the image, {apart(found[solver], number * image):.3f} from its product with the numbers")
    assert exact < 1e-12 and np.isclose(largest, 1)
    assert apart(found["PrimalDualHybridGradient"], image) < 1e-2
    if stride == block:
        assert normal < 1e-12 and apart(found["ConjugateGradient"], image) < 1e-12
    else:
        assert normal > 0.5 and returned > 0.5, "overlaps count now"
        assert apart(found["ConjugateGradient"], number * image) < 1e-12 and apart(found["ConjugateGradient"], image) > 1
PY
