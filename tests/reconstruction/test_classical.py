"""Classical reconstructions against sigpy, closed forms and their own promises."""

import numpy as np
import pytest
import pywt
import sigpy.mri.app
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import Sense, fft2c, sense_operator
from rsd_mri.operators.conjugate_gradient import conjugate_gradient
from rsd_mri.reconstruction.classical.methods import (
    FACTORS,
    cg_sense,
    default_regularisation,
    l1_wavelet,
    total_variation,
    zero_filled,
)
from rsd_mri.reconstruction.classical.total_variation import (
    LoopedVariation,
    VariationShrinkage,
    gradient,
    gradient_adjoint,
)
from rsd_mri.reconstruction.classical.wavelet import WaveletShrinkage

METHODS = {"cg-sense": cg_sense, "l1-wavelet": l1_wavelet, "tv": total_variation}


def phantom(n: int = 64) -> torch.Tensor:
    image = sigpy.shepp_logan((n, n)).astype(np.complex64)
    rows, columns = np.mgrid[:n, :n] / n
    return torch.from_numpy(image * np.exp(2j * (rows + columns**2))).to(torch.complex64)[None]


def maps(n: int = 64, coils: int = 6) -> torch.Tensor:
    csm = sigpy.mri.birdcage_maps((coils, n, n))
    csm /= np.linalg.norm(csm, axis=0)
    return torch.from_numpy(csm).to(torch.complex64)[None]


def lines(n: int, acceleration: int = 3, acs: int = 12) -> torch.Tensor:
    mask = torch.arange(n) % acceleration == 0
    mask[n // 2 - acs // 2 : n // 2 + acs // 2] = True
    return mask


def a_case(n: int = 64, sigma: float = 0.01) -> tuple[Sense, torch.Tensor, torch.Tensor]:
    operator, image = sense_operator(maps(n), lines(n)), phantom(n)
    noise = normal((1, 6, n, n), generator("noise", n))
    return operator, operator.sampling(operator(image) + sigma * noise), image


def difference(a: torch.Tensor, b: torch.Tensor | np.ndarray) -> float:
    b = torch.as_tensor(b)
    return float((a - b).norm() / b.norm())


def two_sets(n: int = 48) -> tuple[Sense, torch.Tensor, torch.Tensor]:
    """A head wider than the field of view: on a strip a second set sees what wraps, by orthogonal maps."""
    one = maps(n)[0]
    other = one.roll(n // 2, -1)
    other = other - one * (one.conj() * other).sum(0)
    other = other / other.abs().square().sum(0).sqrt().clamp_min(1e-6)
    other[..., : n // 3] = other[..., n // 2 :] = 0
    operator = sense_operator(torch.stack((one, other))[None], lines(n, 2))
    images = torch.stack((phantom(n)[0], phantom(n)[0].roll(9, -2) * (other.abs().sum(0) > 0)))[None]
    return operator, operator(images), images


def test_zero_filled_is_the_adjoint():
    operator, kspace, _ = a_case()
    assert torch.equal(zero_filled(operator, kspace), operator.adjoint(kspace))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_cg_sense_equals_sigpy():
    operator, kspace, _ = a_case()
    app = sigpy.mri.app.SenseRecon(
        kspace[0].numpy(), operator.csm[0].numpy(), lamda=0.01, max_iter=100, show_pbar=False
    )
    ours = cg_sense(operator, kspace, regularisation=0.01, iterations=100, tolerance=1e-7)
    assert difference(ours[0], app.run()) < 1e-4


@pytest.mark.parametrize("n", [48, 54])
def test_l1_wavelet_equals_sigpy(n):
    operator, kspace, _ = a_case(n)
    app = sigpy.mri.app.L1WaveletRecon(
        kspace[0].numpy(), operator.csm[0].numpy(), lamda=0.005, max_iter=150, show_pbar=False
    )
    levels = pywt.dwtn_max_level((n, n), "db4")
    ours = l1_wavelet(
        operator,
        kspace,
        regularisation=0.005,
        iterations=150,
        tolerance=1e-7,
        wavelet="db4",
        levels=levels,
        shifts=False,
        keep_coarse=False,
    )
    assert difference(ours[0], app.run()) < 1e-3


def test_total_variation_equals_sigpy():
    operator, kspace, _ = a_case(32)
    app = sigpy.mri.app.TotalVariationRecon(
        kspace[0].numpy(), operator.csm[0].numpy(), lamda=0.01, max_iter=800, show_pbar=False
    )
    ours = total_variation(
        operator, kspace, regularisation=0.01, iterations=150, tolerance=1e-7, isotropic=False, dual_steps=20
    )
    assert difference(ours[0], app.run()) < 3e-3


@pytest.mark.parametrize("sets", [(), (2,)])
@pytest.mark.parametrize("size", [(9, 7), (16, 33), (5, 1)])
def test_loops_shrink_the_variation_as_torch_does(size, sets):
    images = [normal((2, *sets, *size), generator(0, "image", number)) for number in range(3)]
    amount = torch.tensor([0.2, 0.7]).reshape(2, *(1 for _ in sets), 1, 1)
    loops, plain = LoopedVariation(3), VariationShrinkage(3)
    for image in images:  # the dual of one call starts the next
        assert torch.allclose(loops(image, amount), plain(image, amount), atol=1e-6)


def test_total_variation_by_loops_is_the_same():
    operator, kspace, _ = a_case(32)
    found = [total_variation(operator, kspace, 0.01, iterations=10, loops=loops) for loops in (False, True)]
    assert torch.allclose(*found, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_beats_zero_filling_and_keeps_to_the_data(method):
    operator, kspace, image = a_case()
    found = METHODS[method](operator, kspace, 0.01)
    assert found.dtype == torch.complex64 and found.shape == image.shape
    assert difference(found, image) < 0.6 * difference(zero_filled(operator, kspace), image)


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_gives_what_its_items_give(method):
    """Masks, noise levels and energies differ; the stopping rule is off, as it looks at all items."""
    n, image = 40, phantom(40)
    csm = torch.cat((maps(n), maps(n).roll(1, 1)))
    masks = torch.stack((lines(n, 3), lines(n, 2)))[:, None]
    operator = sense_operator(csm, masks)
    kspace = operator(torch.cat((image, 5 * image)))
    sigma = torch.tensor([0.01, 0.1])
    run = METHODS[method]
    together = run(operator, kspace, sigma, iterations=10, tolerance=0.0)
    for i in range(2):
        alone = sense_operator(csm[i : i + 1], masks[i : i + 1])
        single = run(alone, kspace[i : i + 1], sigma[i], iterations=10, tolerance=0.0)
        assert difference(together[i : i + 1], single) < 1e-4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_the_scan_changes_nothing(method, scale):
    operator, kspace, _ = a_case(32)
    run = METHODS[method]
    expected = run(operator, kspace, 0.01)
    assert difference(run(operator, kspace * scale, 0.01 * scale) / scale, expected) < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_two_sets_of_maps(method):
    operator, kspace, images = two_sets()
    found = METHODS[method](operator, kspace, 1e-4)
    assert found.shape == images.shape
    coil_images = operator.coils(images)
    assert difference(operator.coils(found), coil_images) < 0.7 * difference(
        operator.coils(zero_filled(operator, kspace)), coil_images
    )


@pytest.mark.parametrize("method", METHODS)
def test_nothing_measured_gives_a_black_image(method):
    operator, kspace, _ = a_case(32)
    assert not METHODS[method](operator, torch.zeros_like(kspace), 0.0).any()


def test_a_fully_sampled_noiseless_scan_is_given_back():
    image, n = phantom(32), 32
    operator = sense_operator(maps(n), torch.ones(n, dtype=torch.bool))
    for run in METHODS.values():
        assert difference(run(operator, operator(image), 0.0), image) < 0.02


def test_the_rule_follows_the_noise_and_knows_the_image_power():
    operator, kspace, image = a_case(64, sigma=0.0)
    low, high = (default_regularisation("tv", operator, kspace, s) for s in (0.01, 0.03))
    assert high / low == pytest.approx(3)
    operator = sense_operator(operator.csm, torch.ones(64, dtype=torch.bool))
    kspace = operator(image) + 0.02 * normal(kspace.shape, generator("rule"))
    expected = FACTORS["cg-sense"] * 0.02**2 / float(image.abs().square().mean())
    assert float(default_regularisation("cg-sense", operator, kspace, 0.02)) == pytest.approx(expected, rel=0.03)


def test_conjugate_gradient_solves_and_leaves_solved_items_alone():
    rng = generator("cg")
    a = normal((2, 6, 6), rng, torch.complex128)
    a = a.mH @ a + torch.eye(6)
    right = torch.stack((normal((6,), rng, torch.complex128), torch.zeros(6, dtype=torch.complex128)))
    found = conjugate_gradient(lambda x: (a @ x[..., None])[..., 0], right, None, 50, 1e-12)
    torch.testing.assert_close(found, torch.linalg.solve(a, right), rtol=1e-8, atol=1e-10)
    assert not found[1].any()


@settings(deadline=None, max_examples=25)
@given(st.integers(5, 70), st.integers(5, 70), st.integers(0, 3), st.sampled_from(["haar", "db2", "db4"]))
def test_the_wavelet_is_an_isometry_of_any_size(rows, columns, levels, wavelet):
    image = normal((2, rows, columns), generator("wavelet", rows, columns))
    same = WaveletShrinkage((rows, columns), wavelet, levels)(image, torch.zeros(1, 1, 1))
    torch.testing.assert_close(same, image, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n", [32, 37, 50])
def test_wavelet_shrinkage_equals_thresholding_with_pywavelets(n):
    image = normal((n, 40), generator("pywt"))
    coefficients = pywt.wavedecn(image.numpy(), "db4", mode="zero", level=2)
    array, where = pywt.coeffs_to_array(coefficients)
    array = pywt.threshold(array, 0.7, "soft")
    expected = pywt.waverecn(pywt.array_to_coeffs(array, where, "wavedecn"), "db4", mode="zero")[:n]
    ours = WaveletShrinkage((n, 40), "db4", 2, keep_coarse=False)(image, torch.tensor(0.7))
    np.testing.assert_allclose(ours.numpy(), expected, atol=2e-5)


def test_the_difference_operator_has_its_adjoint():
    rng = generator("gradient")
    u, v = normal((3, 7, 8), rng, torch.complex128), normal((2, 3, 7, 8), rng, torch.complex128)
    assert torch.vdot(gradient(u).flatten(), v.flatten()) == pytest.approx(
        torch.vdot(u.flatten(), gradient_adjoint(v).flatten())
    )


def test_the_bound_of_the_gram_holds_and_is_one_for_normalised_maps():
    assert a_case()[0].norm_bound == pytest.approx(1, rel=1e-5)
    n = 24
    csm = 3 * normal((1, 2, 4, n, n), generator("maps"))
    operator = sense_operator(csm, torch.ones(n, dtype=torch.bool))
    x = normal((1, 2, n, n), generator("start"))
    for _ in range(100):
        x = operator.gram(x)
        largest = float(x.norm())
        x = x / largest
    assert largest <= operator.norm_bound * (1 + 1e-5)


def test_reconstruction_is_the_same_every_time():
    operator, kspace, _ = a_case(32)
    first, second = l1_wavelet(operator, kspace, 0.01), l1_wavelet(operator, kspace, 0.01)
    assert torch.equal(first, second)
    assert not torch.equal(first, l1_wavelet(operator, kspace, 0.01, seed=1))


def test_the_data_fit_is_that_of_the_noise():
    """With the rule's weight the residual of l1-wavelet is close to the noise energy, not far below it."""
    operator, kspace, _ = a_case(64, sigma=0.05)
    residual = operator(l1_wavelet(operator, kspace, 0.05)) - kspace
    ratio = float(residual.abs().square().sum() / (0.05**2 * operator.mask.sum() * 64 * 6))
    assert 0.6 < ratio < 1.2
    assert not fft2c(residual).isnan().any()
