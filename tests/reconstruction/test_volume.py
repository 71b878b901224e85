"""Volumes sampled together: operators of all slices, the data step, the planes, and what BART makes of a volume."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import sigpy
import torch
from adjointness import assert_adjoint
from bart_files import read_cfl, write_cfl

from rsd_mri.api.scans import simulate
from rsd_mri.errors import InputError
from rsd_mri.files.slices import SpooledSlices
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import MovingSense, sense_operator
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import PrepSettings
from rsd_mri.reconstruction.classical.methods import cg_sense
from rsd_mri.reconstruction.finish import as_operator
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.posterior import volume
from rsd_mri.reconstruction.posterior.problem import Problem
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS, Annealing, DiffPIR, Langevin
from rsd_mri.reconstruction.posterior.volume import InPlanes, Planes, SliceOperators, VolumeProblem, planes_of
from rsd_mri.reconstruction.posterior_method import keyed_noise
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.reconstruction.together import left_out_planes

CPU = torch.device("cpu")
SLICES, COILS, SIZE, C, SIGMA = 5, 3, (8, 6), 0.8, 0.1


def operators(sets):
    """The same maps as one batch and slice by slice from disk."""
    shape = (SLICES, COILS, *SIZE) if sets == 1 else (SLICES, sets, COILS, *SIZE)
    maps = normal(shape, generator("maps", sets), torch.complex64) / 3
    mask = torch.rand(SIZE, generator=generator("mask")) < 0.5
    stored = SpooledSlices(shape, np.dtype(np.complex64))
    for index, one in enumerate(maps.numpy()):
        stored.put(index, one)
    return sense_operator(maps, mask), SliceOperators(sense_operator(maps[-1:], mask), stored)


@pytest.mark.parametrize("sets", [1, 2])
def test_operators_of_slices_are_those_of_a_batch(sets):
    batch, slices = operators(sets)
    image = (SLICES, *SIZE) if sets == 1 else (SLICES, sets, *SIZE)
    x = normal(image, generator("x"), torch.complex64)
    y = normal((SLICES, COILS, *SIZE), generator("y"), torch.complex64)
    torch.testing.assert_close(slices(x), batch(x))
    torch.testing.assert_close(slices.adjoint(y), batch.adjoint(y))
    torch.testing.assert_close(slices.gram(x), batch.adjoint(batch(x)))
    assert_adjoint(slices, image, (SLICES, COILS, *SIZE), torch.complex64)


def test_slices_that_moved_have_operators_of_their_own():
    """Some moved, each otherwise, and some did not: as each is by itself, whatever the others do."""
    maps = normal((SLICES, COILS, *SIZE), generator("moving maps"), torch.complex64) / 3
    mask = torch.rand(SIZE, generator=generator("mask")) < 0.5
    segments = torch.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 3
    poses = {index: torch.randn(3, 3, generator=generator("poses", index)) for index in (0, 2, 3)}
    alone = [
        MovingSense(maps[i : i + 1], mask, segments, poses[i]) if i in poses else sense_operator(maps[i : i + 1], mask)
        for i in range(SLICES)
    ]
    moved = {index: alone[index].of_maps() for index in poses}
    slices = SliceOperators(alone[0].lying_still(), maps.numpy(), moved)
    x = normal((SLICES, *SIZE), generator("x"), torch.complex64)
    y = normal((SLICES, COILS, *SIZE), generator("y"), torch.complex64)
    torch.testing.assert_close(slices(x), torch.cat([one(x[i : i + 1]) for i, one in enumerate(alone)]))
    torch.testing.assert_close(slices.adjoint(y), torch.cat([one.adjoint(y[i : i + 1]) for i, one in enumerate(alone)]))
    torch.testing.assert_close(slices.gram(x), torch.cat([one.gram(x[i : i + 1]) for i, one in enumerate(alone)]))
    assert_adjoint(slices, (SLICES, *SIZE), (SLICES, COILS, *SIZE), torch.complex64)


@pytest.mark.parametrize("sampler", [DiffPIR(levels=6), Annealing(levels=6), Langevin(levels=4)], ids=lambda s: s.name)
def test_a_volume_is_sampled_as_its_slices_are_where_the_prior_knows_no_planes(sampler):
    """Under Gaussian images without any correlation every sampler, unchanged, draws what it draws slice by slice."""
    batch, slices = operators(1)
    keys = [(0, "volume", index, 0) for index in range(SLICES)]
    y = batch(C * normal((SLICES, *SIZE), generator("x"), torch.complex64))
    y = y + SIGMA * batch.sampling(normal(y.shape, generator("noise"), torch.complex64))
    start = torch.zeros(SLICES, *SIZE, dtype=torch.complex64)

    def denoise(x, t, step):  # noqa: ARG001
        return x * (C**2 / (C**2 + t**2)).reshape(-1, 1, 1)

    together = VolumeProblem(
        operator=slices, kspace=y[-1:], sigma=SIGMA, denoise=denoise, noise=keyed_noise(keys), start=start,
        sigma_data=C, back_projected=batch.adjoint(y), noise_of=lambda group: keyed_noise(keys[group]),
    )  # fmt: skip
    alone = [
        sampler.sample(
            Problem(
                slices.of(slice(i, i + 1))[0],
                y[i : i + 1],
                SIGMA,
                denoise,
                keyed_noise(keys[i : i + 1]),
                start[i : i + 1],
                C,
            )
        )
        for i in range(SLICES)
    ]
    torch.testing.assert_close(sampler.sample(together), torch.cat(alone), atol=2e-4, rtol=1e-4)


class Marking:
    """A denoiser that adds, to every image, its number among those it was shown so far."""

    def __init__(self):
        self.shown, self.calls, self.shapes = 0, 0, []

    def __call__(self, image, t, condition):  # noqa: ARG002
        numbers = self.shown + torch.arange(1.0, len(image) + 1)
        self.shown, self.calls = self.shown + len(image), self.calls + 1
        self.shapes.append(tuple(image.shape[-2:]))
        return image + numbers[:, None, None]


def test_every_level_sees_another_plane_and_puts_it_back(monkeypatch):
    monkeypatch.setattr(volume, "AT_ONCE", 4 * 16 * 24)
    shape = (16, 24, 32)
    x = normal(shape, generator("volume"), torch.complex64)
    support = torch.ones(shape, dtype=torch.bool)
    support[:3] = False
    for step in range(30):
        network = Marking()
        planes = InPlanes(type("Prior", (), {"denoiser": network})(), Planes(support))
        out = planes.denoise(x, torch.full((16,), 0.1), step)
        axis = step % 3
        seen, at_once = [(13, 2), (24, 3), (32, 4)][axis]
        assert (network.shown, network.calls) == (seen, -(-seen // at_once))
        added = (out - x)[3:].real
        # One number an image of the plane; the images in their order.
        flat = added.movedim(axis, 0).flatten(1)
        torch.testing.assert_close(flat, torch.arange(1.0, seen + 1)[:, None].expand_as(flat), atol=1e-4, rtol=0)
        assert (out[:3] == 0).all() or axis != 0
    assert {tuple(sorted(s)) for s in network.shapes} == {(16, 24)}


@pytest.mark.parametrize(
    ("voxel", "planes"),
    [
        (None, (0, 1, 2)),
        ((1.0, 1.0, 1.0), (0, 1, 2)),
        ((1.0, 1.0, 3.0), (0,)),  # slices three times as thick: both other planes are stretched
        ((1.0, 1.0, 0.3), (0,)),
        ((1.0, 2.5, 2.5), (0, 1)),  # slice and phase encoding are alike: the plane across the readout
        ((2.5, 1.0, 2.5), (0, 2)),
    ],
)
def test_planes_with_stretched_pixels_are_left_out(voxel, planes):
    assert planes_of(voxel) == planes
    network = Marking()
    shape = (16, 24, 32)
    x, support = normal(shape, generator("volume"), torch.complex64), torch.ones(shape, dtype=torch.bool)
    prior = type("Prior", (), {"denoiser": network})()
    for step, plane in enumerate(planes):
        network.shown = 0
        InPlanes(prior, Planes(support), planes).denoise(x, torch.full((16,), 0.1), step)
        assert network.shown == shape[plane]


def test_thick_slices_are_said_to_stay_apart(slab):
    method = method_of("posterior", samples=1, volume=True)
    thick = replace(slab[0], geometry=replace(slab[0].geometry, voxel_size=(1.0, 1.0, 3.0)))
    assert "Voxels of 1 x 1 x 3 mm" in left_out_planes(method, thick)
    assert not left_out_planes(method, slab[0]) and not left_out_planes(method_of("tv"), thick)


@pytest.mark.parametrize("step", range(3))
def test_each_set_of_maps_is_a_volume_of_its_own(step):
    """Two sets are denoised as two volumes are, in every plane."""

    def denoiser(image, t, condition):  # noqa: ARG001
        # Neither symmetric nor the same for neighbours: a mix-up of axes shows.
        return 0.7 * image + 0.2 * image.roll(1, -1) + 0.1 * image.roll(1, -2)

    prior = type("Prior", (), {"denoiser": staticmethod(denoiser)})()
    x = normal((20, 2, 24, 32), generator("volume"), torch.complex64)
    support = torch.ones(x.shape, dtype=torch.bool)
    t = torch.full((20,), 0.1)
    both = InPlanes(prior, Planes(support)).denoise(x, t, step)
    for number in range(2):
        alone = InPlanes(prior, Planes(support[:, number])).denoise(x[:, number], t, step)
        torch.testing.assert_close(both[:, number], alone)


@pytest.fixture(scope="module")
def slab():
    return simulate(5, slab=True, slices=16, matrix=32, acs_lines=10, coils=4, plane="axial", seed=1)


@pytest.mark.long
def test_slices_of_a_volume_agree_and_are_better():
    scan, image = simulate(5, slab=True, slices=20, matrix=40, acs_lines=12, coils=6, plane="axial", seed=1)
    truth = np.abs(image)
    found = {}
    for whole in (False, True):
        method = method_of("posterior", sampler=replace(SAMPLERS["diffpir"], levels=6), samples=1, volume=whole)
        rec = reconstruct_scan(scan, method, held_out=False)
        error = rec.magnitude - truth
        found[whole] = (np.square(error).mean(), np.square(np.diff(error, axis=0)).mean())
        assert rec.parameters.get("volume", False) is whole and rec.magnitude.shape == truth.shape
        assert 0.5 < rec.residual.mean() < 1.6
    assert found[True][0] < found[False][0] and found[True][1] < found[False][1]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["two sets", "partial Fourier"])
def test_volumes_of_two_sets_and_of_partial_fourier(kind):
    scan, image = simulate(3, slab=True, slices=16, matrix=32, acs_lines=10, coils=6, plane="axial", seed=1)
    settings = PrepSettings(sets="2") if kind == "two sets" else PrepSettings()
    if kind == "partial Fourier":
        mask = scan.mask & (np.arange(32) < 22)
        scan = replace(scan, mask=mask, kspace=scan.kspace * mask)
    prepared = PreparedScan.of(scan, settings)
    assert prepared.volume.n_sets == (2 if kind == "two sets" else 1)
    assert (prepared.volume.partial is not None) is (kind == "partial Fourier")
    error = {}
    for whole in (False, True):
        method = method_of("posterior", sampler=replace(SAMPLERS["diffpir"], levels=3), samples=1, volume=whole)
        rec = reconstruct_scan(prepared, method, held_out=False)
        error[whole] = np.square(rec.magnitude - np.abs(image)).mean()
        assert np.isfinite(rec.magnitude).all() and rec.residual.mean() < 2
    assert error[True] < 1.1 * error[False]


def test_what_is_no_volume_is_refused(slab):
    scan, _ = slab
    method = method_of("posterior", samples=1, volume=True)
    with pytest.raises(InputError, match="16 slices or more"):
        reconstruct_scan(replace(scan, kspace=scan.kspace[:8]), method, held_out=False)
    with pytest.raises(InputError, match="gaps"):
        reconstruct_scan(replace(scan, geometry=replace(scan.geometry, slice_gap=2.0)), method, held_out=False)
    with pytest.raises(InputError, match="method tv"):
        method_of("tv", volume=True)
    with pytest.raises(InputError, match="guided"):
        method_of("posterior", sampler=SAMPLERS["a-dps"], volume=True)


@pytest.mark.skipif(shutil.which("bart") is None, reason="no BART")
def test_slices_across_the_readout_are_the_volume_that_bart_finds(slab, tmp_path):
    """Least squares of the whole 3-D k-space by `bart pics`; ours slice by slice after the readout's transform."""
    scan, _ = slab
    prepared = PreparedScan.of(scan)
    slices = [prepared[index] for index in range(len(prepared))]
    weight = 0.05
    # [readout, coil, y, z]; of sizes that four does not divide BART turns the sign.
    kspace = sigpy.fft(np.stack([one.kspace for one in slices]), axes=(0,))
    write_cfl(tmp_path / "k", kspace.transpose(0, 2, 3, 1))
    write_cfl(tmp_path / "s", np.stack([one.csm for one in slices]).transpose(0, 2, 3, 1))
    command = ["bart", "pics", "-l2", "-r", str(weight), "-S", "-w", "1", "-i", "100", "k", "s", "x"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    theirs = read_cfl(tmp_path / "x")
    for index in (3, 9, 15):
        operator, one = as_operator([slices[index]], CPU)
        ours = cg_sense(operator, one, regularisation=weight, iterations=200, tolerance=1e-6)[0].numpy()
        assert np.linalg.norm(ours - theirs[index]) < 5e-3 * np.linalg.norm(ours)
