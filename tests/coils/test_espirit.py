import numpy as np
import pytest
import sigpy
import sigpy.mri
import torch
from coil_phantom import coil_images
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.coils.espirit import espirit, kernel_polynomial, leading_eigenpairs, pixel_matrices, principal_coil
from rsd_mri.operators import fft2c


def calibration(size, n_coils=8, width=24, wrap=False, noise=0.01, seed=0):
    rng = np.random.default_rng(seed)
    kspace = sigpy.fft(coil_images(size, n_coils, wrap, seed), axes=(-2, -1))
    kspace = kspace + noise * (rng.standard_normal(kspace.shape) + 1j * rng.standard_normal(kspace.shape))
    return kspace.astype(np.complex64), torch.from_numpy(
        sigpy.resize(kspace, (n_coils, width, width)).astype(np.complex64)[None]
    )


def cosine(a, b):
    """Agreement of two sets of maps per pixel, whatever their phase."""
    return np.abs((np.asarray(a).conj() * np.asarray(b)).sum(0))


@pytest.mark.parametrize("size", [(64, 48), (51, 67)])
def test_maps_equal_sigpy(size):
    kspace, centre = calibration(size)
    app = sigpy.mri.app.EspiritCalib(
        kspace, calib_width=24, crop=0.9, max_iter=300, output_eigenvalue=True, show_pbar=False
    )
    theirs, eigenvalue = app.run()
    eigenvalue = np.squeeze(eigenvalue)
    ours = espirit(centre, size, sets=2)
    second = ours.eigenvalues[0, 1].numpy()
    # Two equal eigenvalues have no eigenvector of their own to compare.
    defined = (eigenvalue > 0.95) & (second < 0.8 * eigenvalue)
    assert defined.mean() > 0.3
    assert cosine(ours.csm[0, 0], theirs)[defined].min() > 0.9999
    np.testing.assert_allclose(ours.eigenvalues[0, 0], eigenvalue, atol=5e-3)


@pytest.mark.parametrize("n_coils", [2, 4, 8, 16])
def test_eigenpairs_equal_a_direct_decomposition(n_coils):
    size = (37, 44)
    _, centre = calibration(size, n_coils)
    polynomial = kernel_polynomial(centre, 6, 0.02)[0]
    positions = [(torch.arange(n) - n // 2) / n for n in size]
    values, vectors = torch.linalg.eigh(pixel_matrices(polynomial, *positions))
    found, eigenvalues = leading_eigenpairs(polynomial, size, 2)
    error = (eigenvalues[:, 0] - values[:, -1]).abs()
    assert error.max() < 1e-2
    assert error.mean() < 1e-4
    # The second value converges at the rate of the third over the second.
    apart = (values[:, -1] > 0.8) & (values[:, -2] < 0.8 * values[:, -1])
    agreement = (found[..., 0].conj() * vectors[..., -1]).sum(1).abs()
    assert agreement[apart].min() > 0.999
    identity = torch.eye(2, dtype=found.dtype).expand(len(found), 2, 2)
    torch.testing.assert_close(found.mH @ found, identity, atol=1e-4, rtol=0)


def test_matrices_are_those_of_the_definition():
    """Kernels zero-padded, transformed and multiplied, as the paper writes it, on an odd grid."""
    n_coils, width, size = 3, 3, (9, 7)
    _, centre = calibration((24, 24), n_coils, width=12)
    data = centre[0].numpy()
    rows = [data[:, y : y + width, x : x + width].ravel() for y in range(12 - width + 1) for x in range(12 - width + 1)]
    _, s, vh = np.linalg.svd(np.array(rows), full_matrices=False)
    kernels = vh[s > 0.02 * s[0]].reshape(-1, n_coils, width, width)
    images = sigpy.ifft(sigpy.resize(kernels, (len(kernels), n_coils, *size)), axes=(-2, -1))
    expected = np.einsum("kayx,kbyx->yxab", images, images.conj()) * np.prod(size) / width**2
    polynomial = kernel_polynomial(centre, width, 0.02)[0]
    found = pixel_matrices(polynomial, *[(torch.arange(n) - n // 2) / n for n in size])
    np.testing.assert_allclose(found.reshape(*size, n_coils, n_coils), expected, atol=1e-5)


def test_unit_length_on_the_support_and_zero_elsewhere():
    csm = espirit(calibration((64, 48))[1], (64, 48)).csm[0, 0]
    energy = csm.abs().square().sum(0)
    support = energy > 0
    assert 0.2 < support.float().mean() < 0.95
    torch.testing.assert_close(energy[support], torch.ones(int(support.sum())), atol=1e-4, rtol=0)


def test_maps_explain_the_object():
    size = (64, 48)
    images = coil_images(size, 8)
    csm = espirit(calibration(size, noise=0.003)[1], size).csm[0, 0].numpy()
    left = images - csm * (csm.conj() * images).sum(0)
    assert np.sum(np.abs(left) ** 2) < 0.01 * np.sum(np.abs(images) ** 2)


def test_two_sets_explain_a_wrapped_object_and_one_does_not():
    size = (64, 48)
    images = coil_images(size, 8, wrap=True)
    csm = espirit(calibration(size, wrap=True, noise=0.003)[1], size, sets=2, crop=0.8).csm[0].numpy()

    def unexplained(maps):
        combined = (maps.conj() * images).sum(1, keepdims=True)
        return np.sum(np.abs(images - (maps * combined).sum(0)) ** 2) / np.sum(np.abs(images) ** 2)

    assert unexplained(csm) < 0.3 * unexplained(csm[:1])


def test_a_batch_is_its_items():
    items = [calibration((33, 40), seed=s)[1] for s in range(3)]
    together = espirit(torch.cat(items), (33, 40), sets=2)
    for index, item in enumerate(items):
        alone = espirit(item, (33, 40), sets=2)
        torch.testing.assert_close(together.csm[index], alone.csm[0], atol=1e-4, rtol=1e-4)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), power=st.sampled_from([-6, 6]))
def test_scale_and_unitary_mixing_change_nothing(seed, power):
    _, centre = calibration((32, 30), n_coils=5)
    rng = np.random.default_rng(seed)
    mixing = np.linalg.qr(rng.standard_normal((5, 5)) + 1j * rng.standard_normal((5, 5)))[0].astype(np.complex64)
    mixing = torch.from_numpy(mixing)
    plain = espirit(centre, (32, 30)).csm[0, 0]
    mixed = espirit(10.0**power * torch.einsum("ab,nbyx->nayx", mixing, centre), (32, 30)).csm[0, 0]
    back = torch.einsum("ba,byx->ayx", mixing.conj(), mixed)
    both = (plain.abs().sum(0) > 0) & (back.abs().sum(0) > 0)
    assert ((plain.abs().sum(0) > 0) != (back.abs().sum(0) > 0)).float().mean() < 0.01
    # The phase is compared as well: this is the gauge.
    agreement = (plain.conj() * back).sum(0)[both]
    assert (agreement.real > 0.99).float().mean() > 0.99


def test_zero_data_give_zero_maps():
    maps = espirit(torch.zeros(1, 4, 16, 16, dtype=torch.complex64), (20, 21), sets=2)
    assert not maps.csm.any()
    assert torch.isfinite(maps.eigenvalues).all()


def test_one_coil_sees_everything():
    maps = espirit(calibration((32, 30), n_coils=1)[1], (32, 30), crop=0.5)
    support = maps.csm[0, 0, 0].abs() > 0
    assert support.any()
    torch.testing.assert_close(maps.csm[0, 0, 0][support].abs(), torch.ones(int(support.sum())))


def test_noise_above_the_threshold_is_not_taken_for_signal():
    size, noise = (64, 48), 0.15
    _, centre = calibration(size, noise=noise)
    blind = espirit(centre, size, sets=2).eigenvalues[0]
    aware = espirit(centre, size, sets=2, noise=noise * 2**0.5).eigenvalues[0]
    assert aware[1].quantile(0.9) < 0.8 * blind[1].quantile(0.9)
    assert aware[0].max() > 0.9


def test_principal_coil_is_the_strongest_combination():
    _, centre = calibration((32, 30), n_coils=6)
    vector = principal_coil(centre)[0]
    samples = centre[0].reshape(6, -1)
    largest = torch.linalg.svdvals(samples)[0]
    torch.testing.assert_close(torch.linalg.vector_norm(vector.conj() @ samples), largest, rtol=1e-4, atol=0)


def test_refusals():
    with pytest.raises(ValueError, match="smaller than the kernel"):
        espirit(torch.zeros(1, 4, 5, 16, dtype=torch.complex64), (20, 20))
    with pytest.raises(ValueError, match="sets"):
        espirit(torch.zeros(1, 1, 16, 16, dtype=torch.complex64), (20, 20), sets=2)
    with pytest.raises(ValueError, match="axes"):
        espirit(torch.zeros(4, 16, 16, dtype=torch.complex64), (20, 20))
    with pytest.raises(TypeError, match="complex"):
        espirit(torch.zeros(1, 4, 16, 16), (20, 20))


@pytest.mark.cuda
def test_the_gpu_gives_the_same_maps():
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    _, centre = calibration((64, 48))
    here = espirit(centre, (64, 48), sets=2)
    there = espirit(centre.cuda(), (64, 48), sets=2)
    torch.testing.assert_close(there.eigenvalues.cpu(), here.eigenvalues, atol=1e-3, rtol=0)
    assert cosine(there.csm[0, 0].cpu(), here.csm[0, 0])[here.eigenvalues[0, 0] > 0.95].min() > 0.999


def test_maps_of_two_coils_have_unit_length_where_one_source_explains_them():
    # Two coils in proportion, so that every pixel's matrix has rank one and its second vector vanishes.
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(24), indexing="ij")
    image = 0.2 * ((rows - 16) ** 2 + (columns - 12) ** 2 < 64)
    image[20, 9] = 3
    coils = torch.stack([image, image * (1 + columns / 40)])[None].to(torch.complex64)
    noise = 1e-3 * torch.randn(1, 2, 32, 24, generator=torch.Generator().manual_seed(0), dtype=torch.complex64)
    maps = espirit(fft2c(coils) + noise, (32, 24), noise=1e-3)
    norm = maps.csm[0, 0].abs().square().sum(0).sqrt()
    torch.testing.assert_close(norm[norm > 0], torch.ones_like(norm[norm > 0]), atol=1e-4, rtol=0)
    assert (norm > 0).float().mean() > 0.2
