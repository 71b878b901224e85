"""The worst perturbation within the noise: that of linear algebra for linear methods, and never above it."""

import pytest
import torch

from rsd_mri.operators import sense_operator
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.stress import worst_case

SHAPE = (12, 16)


def model(coils=3):
    rng = torch.Generator().manual_seed(0)
    csm = torch.randn(1, coils, *SHAPE, dtype=torch.complex128, generator=rng)
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    operator = sense_operator(csm, torch.arange(16) % 2 == 0)
    image = torch.randn(1, *SHAPE, dtype=torch.complex128, generator=rng)
    return operator, operator(image)


def regularised(operator, weight):
    """The linear reconstruction (A^H A + w)^-1 A^H, and its matrix's singular values."""
    n = SHAPE[0] * SHAPE[1]
    gram = operator.gram(torch.eye(n, dtype=torch.complex128).reshape(n, *SHAPE)).reshape(n, n).T
    inverse = torch.linalg.inv(gram + weight * torch.eye(n))
    values = torch.linalg.eigvalsh(gram).clamp_min(0)
    return lambda y: (inverse @ operator.adjoint(y).flatten()).reshape(1, *SHAPE), values.sqrt() / (values + weight)


def test_a_linear_method_meets_its_largest_singular_value():
    operator, y = model()
    sigma = 0.05
    linear, singular = regularised(operator, sigma**2)
    found = worst_case(operator, y, sigma, linear, (0,), steps=40)
    norm = found.perturbation.norm()
    gain = float((linear(y + found.perturbation) - linear(y)).norm() / norm)
    assert gain <= float(singular.max()) * (1 + 1e-9)
    assert gain > 0.95 * float(singular.max())
    # Noise excites all singular values alike.
    points = int(operator.mask.expand(1, 1, *SHAPE).sum()) * 3
    assert found.factor == pytest.approx(gain / float(singular.square().sum() / points) ** 0.5, rel=0.1)


def test_the_perturbation_is_of_the_noise_and_where_data_are():
    operator, y = model()
    found = worst_case(operator, y, 0.05, operator.adjoint, (0,))
    points = int(operator.mask.expand(1, 1, *SHAPE).sum()) * 3
    assert float(found.perturbation.norm()) == pytest.approx(0.05 * points**0.5, rel=0.1)
    assert torch.equal(operator.sampling(found.perturbation), found.perturbation)
    assert found.factor >= 1 and found.worst == pytest.approx(found.factor * found.typical)


@pytest.mark.parametrize("name", ["cg-sense", "l1-wavelet", "tv"])
def test_classical_methods_have_a_worst_case_above_noise(name):
    operator, y = model()
    y = y.to(torch.complex64)
    single = sense_operator(operator.csm.to(torch.complex64), torch.arange(16) % 2 == 0)
    found = worst_case(single, y, 0.05, lambda k: CLASSICAL[name].run(single, k, 0.05), (0,))
    again = worst_case(single, y, 0.05, lambda k: CLASSICAL[name].run(single, k, 0.05), (0,))
    assert found.factor > 1.05
    assert found.factor == again.factor


def test_a_method_that_ignores_the_data_has_none():
    operator, y = model()
    found = worst_case(operator, y, 0.05, lambda k: torch.ones(1, *SHAPE, dtype=k.dtype), (0,))
    assert found.worst == 0 and found.factor != found.factor
