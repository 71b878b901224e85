"""Our operators and priors inside deepinv and sigpy, against the same steps written out with ours."""

import numpy as np
import pytest
import torch

from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import Sense, sense_operator
from rsd_mri.priors import RECONSTRUCTION
from rsd_mri.priors.prior import load_prior

SIZE = (32, 24)


def a_case() -> tuple[Sense, torch.Tensor]:
    csm = normal((1, 3, *SIZE), generator("csm"), torch.complex64)
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    operator = sense_operator(csm, torch.arange(SIZE[1]) % 2 == 0)
    return operator, operator(normal((1, *SIZE), generator("image"), torch.complex64))


def test_physics_is_the_operator():
    pytest.importorskip("deepinv")
    from rsd_mri.interop.deepinv import Physics, to_channels, to_complex

    operator, kspace = a_case()
    physics, image = Physics(operator), normal((2, *SIZE), generator("x"), torch.complex64)
    x = to_channels(image)
    assert x.shape == (2, 2, *SIZE) and torch.equal(to_complex(x), image)
    assert torch.equal(to_complex(physics.A(x)), operator(image))
    assert torch.equal(to_complex(physics.A_adjoint(to_channels(kspace))), operator.adjoint(kspace))
    assert float(physics.adjointness_test(x)) == pytest.approx(0, abs=1e-2)
    assert torch.allclose(to_complex(physics.A_adjoint_A(x)), operator.adjoint(operator(image)), atol=1e-5)


def test_plug_and_play_of_deepinv_is_ours():
    """Three steps of proximal gradient: denoise what a gradient step on the data gives."""
    deepinv = pytest.importorskip("deepinv")
    from rsd_mri.interop.deepinv import Physics, PriorDenoiser, to_channels, to_complex

    operator, kspace = a_case()
    prior = load_prior(RECONSTRUCTION)
    denoiser, sigma = PriorDenoiser(prior), 0.1
    model = deepinv.optim.PGD(
        data_fidelity=deepinv.optim.L2(),
        prior=deepinv.optim.PnP(denoiser=denoiser),
        stepsize=1.0,
        sigma_denoiser=sigma,
        max_iter=3,
    )
    theirs = to_complex(model(to_channels(kspace), Physics(operator)))
    x = operator.adjoint(kspace)
    with torch.no_grad():
        for _ in range(3):
            x = x - operator.gram(x) + operator.adjoint(kspace)
            # Of each of the two parts: root two times as much of the whole number.
            x = prior.denoiser(x, torch.full((1,), sigma * 2**0.5))
    assert torch.allclose(theirs, x, atol=1e-3 * float(x.abs().max()))


def test_a_generator_is_no_denoiser():
    pytest.importorskip("deepinv")
    from dataclasses import replace

    from rsd_mri.interop.deepinv import PriorDenoiser

    with pytest.raises(InputError, match="denoiser of whole images"):
        PriorDenoiser(replace(load_prior(RECONSTRUCTION), kind="generator"))


def test_sigpy_solves_with_our_operator():
    import sigpy

    from rsd_mri.interop.sigpy import FromSigpy, ToSigpy
    from rsd_mri.reconstruction.classical.methods import cg_sense

    operator, kspace = a_case()
    linop = ToSigpy(operator, SIZE, (3, *SIZE))
    assert linop.H.oshape == list(SIZE)
    theirs = sigpy.app.LinearLeastSquares(
        linop, kspace[0].numpy(), lamda=0.1, max_iter=40, tol=1e-6, show_pbar=False
    ).run()
    ours = cg_sense(operator, kspace, regularisation=0.1, iterations=40, tolerance=1e-6)[0].numpy()
    assert np.abs(theirs - ours).max() < 1e-3 * np.abs(ours).max()
    image = normal((2, *SIZE), generator("x"), torch.complex64)
    back = FromSigpy(sigpy.linop.FFT(SIZE))
    assert torch.allclose(back.adjoint(back(image)), image, atol=1e-5)
    assert torch.allclose(FromSigpy(linop)(image[:1]), operator(image[:1]), atol=1e-6)
