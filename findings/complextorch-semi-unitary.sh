#!/usr/bin/env bash
# complextorch 2.1.1: `nn.init.trabelsi_independent_` is said to scale semi-unitary complex weights to the variance of Glorot or He. It multiplies a
# matrix whose singular values are 1, and whose variance therefore is one over its longer side already, by the standard deviation of a part of a
# weight: the variance is twice as many times too small as that side is long. Of 256 x 256 weights it is 1/512 of Glorot's, of a convolution of 3 x 3 from
# 16 to 64 channels 1/288, and what a layer of 256 puts out has 1/512 of the power of its input, eight of them 1e-22. The other
# initialisation of the same paper (Trabelsi et al. 2018), `trabelsi_standard_`, and `xavier_normal_` have the variance. The paper scales by the
# root of the wanted variance over the matrix's own, which gives it here. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile "complextorch==2.1.1" "torch==2.13.0" "numpy==2.2.6"
export OMP_NUM_THREADS=1
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import torch
from complextorch.nn import init

print("complextorch", version("complextorch"))
torch.manual_seed(0)


def scaled_as_in_the_paper(weight, kind):
    init.trabelsi_independent_(weight, kind)
    return weight.mul_((wanted(weight, kind) / variance(weight)) ** 0.5)


def variance(weight):
    return float((weight.abs() ** 2).mean())


def wanted(weight, kind):
    """Variance of Glorot and Bengio, 2 / (fan in + fan out), or of He et al., 2 / fan in."""
    points = weight[0, 0].numel()
    fan_in, fan_out = weight.shape[1] * points, weight.shape[0] * points
    return 2 / (fan_in + fan_out) if kind == "glorot" else 2 / fan_in


for shape in ((256, 256), (64, 256), (64, 16, 3, 3)):
    longer = max(shape[0], torch.Size(shape).numel() // shape[0])
    for kind in ("glorot", "he"):
        weight = torch.empty(shape, dtype=torch.complex64)
        both = (init.trabelsi_standard_, init.trabelsi_independent_)
        standard, independent = (variance(function(weight, kind)) / wanted(weight, kind) for function in both)
        values = torch.linalg.svdvals(weight.reshape(shape[0], -1))
        print(
            f"{' x '.join(map(str, shape))}, {kind}: variance over the wanted one {standard:.2f} by trabelsi_standard_, "
            f"1/{1 / independent:.0f} by trabelsi_independent_"
        )
        assert float(values.max() / values.min()) < 1.001, "it is not semi-unitary"
        assert abs(standard - 1) < 0.05 and independent < 2 / longer, "the variance is the wanted one now"

for name, made in {
    "trabelsi_standard_": init.trabelsi_standard_,
    "trabelsi_independent_": init.trabelsi_independent_,
    "scaled as in the paper": scaled_as_in_the_paper,
}.items():
    signal = torch.randn(256, 100, dtype=torch.complex128)
    powers = [variance(signal)]
    for _ in range(8):
        signal = made(torch.empty(256, 256, dtype=torch.complex128), "glorot") @ signal
        powers.append(variance(signal))
    print(f"{name}: a layer leaves {powers[1] / powers[0]:.4f} of the power, eight {powers[8] / powers[0]:.1e}")
    if name == "trabelsi_independent_":
        assert powers[8] / powers[0] < 1e-20
    else:
        assert 0.3 < powers[8] / powers[0] < 3
PY
