"""Corruptions of images of any field: their laws, and that both stages train on each."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning_fabric import Fabric

from rsd_mri.corruption.identity import Noise
from rsd_mri.corruption.inpainting import BoxInpainting, RandomInpainting
from rsd_mri.corruption.kernels import gaussian_kernel, motion_kernel
from rsd_mri.corruption.measured import Blur, SuperResolution
from rsd_mri.datasets.images import CorruptedImages
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.networks import UNet
from rsd_mri.operators import Convolution, Downsampling
from rsd_mri.protocol import DistillationSettings, NetworkSettings, Protocol, SamplerSettings, TeacherSettings
from rsd_mri.rsd.distillation import DistillationStage
from rsd_mri.rsd.stages import TeacherStage

SHAPE = (3, 12, 16)
MOTION = motion_kernel(7, generator(0, "motion"))

CORRUPTIONS = {
    "noise": lambda: Noise(SHAPE, 0.2),
    "pixels": lambda: RandomInpainting(SHAPE, 0.4),
    "pixels and noise": lambda: RandomInpainting(SHAPE, 0.4, sigma=0.2),
    "box": lambda: BoxInpainting(SHAPE, 5, 4),
    "blur": lambda: Blur(SHAPE, gaussian_kernel()),
    "blur and noise": lambda: Blur(SHAPE, gaussian_kernel(), sigma=0.2),
    "motion": lambda: Blur(SHAPE, MOTION),
    "smaller": lambda: SuperResolution(SHAPE, 2),
    "smaller and noise": lambda: SuperResolution(SHAPE, 4, sigma=0.2),
}
each = pytest.mark.parametrize("make", CORRUPTIONS.values(), ids=CORRUPTIONS.keys())

PROTOCOL = Protocol(
    network=NetworkSettings(field="real", channels=4, multipliers=(1, 2)),
    teacher=TeacherSettings(batch=4, sigma_data=0.5),
    distillation=DistillationSettings(batch=4, generator_mask=True),
    sampler=SamplerSettings(steps=2),
)


def clean(n=6):
    return np.asarray(normal((n, *SHAPE), generator("clean"), torch.float32).clamp(-1, 1))


def keys(n):
    return [(0, i, "test") for i in range(n)]


def network(corruption):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        channels = corruption.image_shape[0]
        net = UNet(PROTOCOL.network, channels=channels, condition_channels=corruption.condition_channels)
    return Denoiser(net, 0.5)


def moved(before, module):
    return max(float((a - b).abs().max()) for a, b in zip(before, module.state_dict().values(), strict=True))


def train_a_little(data, steps=3):
    """A few updates of both stages; returns the teacher's, then the generator's weights."""
    fabric = Fabric(accelerator="cpu", devices=1)
    kept, cards = [], []
    teacher = TeacherStage(network(data.corruption), data, PROTOCOL, fabric, lambda _, card: cards.append(card))
    student = DistillationStage(
        network(data.corruption), data.corruption, PROTOCOL, fabric, lambda _, card: cards.append(card)
    )
    for stage, name in ((teacher, "teacher"), (student, "generator")):
        before = [v.clone() for v in stage.modules[name].state_dict().values()]
        for i in range(steps):
            losses = stage.step(fabric, [stage.draw(range(4 * i, 4 * i + 4))], 4 * i)
            assert all(torch.isfinite(v.loss).all() for v in losses.values())
        assert moved(before, stage.modules[name]) > 0
        picture = stage.preview(2)
        assert picture.ndim in (3, 4) and picture.min() >= 0
        stage.finish({})
        kept.append([v.clone() for v in stage.modules[name].state_dict().values()])
    assert len(cards) == 2 and np.isfinite(cards[0].get("hidden_error", 0.0))
    return kept


@each
def test_both_stages_train_on_every_corruption(make):
    train_a_little(CorruptedImages(clean(), make(), seed=1))


@each
def test_draws_are_keyed_by_item_not_by_batch(make):
    data = CorruptedImages(clean(), make(), seed=1)
    whole, one = data.batch(range(6)), data.batch([4])
    assert torch.equal(whole.y[4], one.y[0])
    x = normal((6, *data.corruption.image_shape), generator("x"), torch.float32)
    assert torch.equal(whole.operator(x)[4], one.operator(x[4:5])[0])
    further, single = (data.corruption.further(d.operator, d.keys) for d in (whole, one))
    assert torch.equal(further(x)[4], single(x[4:5])[0])
    other = CorruptedImages(clean(), make(), seed=2)
    fixed = data.corruption.condition_channels == 0 and data.corruption.sigma == 0
    assert torch.equal(whole.y, other.batch(range(6)).y) == fixed


@each
def test_further_corruption_sees_no_more(make):
    """The range of A~ lies inside that of A: A^H A A~^H A~ = A~^H A~."""
    corruption = make()
    operator, _ = corruption.draw(keys(5))
    further = corruption.further(operator, keys(5))
    x = normal((5, *corruption.image_shape), generator("x"), torch.float32)
    assert torch.equal(operator.gram(further.gram(x)), further.gram(x))


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 0.95), st.floats(0, 0.95), st.integers(0, 1000))
def test_pixels_are_hidden_as_often_as_asked(p, delta, seed):
    corruption = RandomInpainting((1, 100, 100), p, delta)
    many = [(seed, i) for i in range(4)]
    operator, _ = corruption.draw(many)
    further = corruption.further(operator, many)
    for mask, wanted in ((operator.mask, 1 - p), (further.mask, (1 - p) * (1 - delta))):
        spread = (wanted * (1 - wanted) / 40_000) ** 0.5
        assert abs(float(mask.float().mean()) - wanted) <= 6 * spread


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 11), st.integers(0, 11), st.integers(0, 1000))
def test_boxes_have_their_size_and_lie_inside(box, second, seed):
    corruption = BoxInpainting(SHAPE, box, second)
    operator, _ = corruption.draw([(seed, 0)])
    hidden = ~operator.mask[0, 0]
    assert hidden.sum() == box**2
    if box:
        rows, columns = torch.nonzero(hidden).amax(0) - torch.nonzero(hidden).amin(0) + 1
        assert (rows, columns) == (box, box)
    further = corruption.further(operator, [(seed, 0)])
    assert box**2 + second**2 >= (~further.mask).sum() >= max(box, second) ** 2


def test_hidden_pixels_are_never_read():
    """Undefined values where the mask hides them: the same data, and the same weights after training."""
    corruption = RandomInpainting(SHAPE, 0.4, sigma=0.1)
    data = CorruptedImages(clean(), corruption, seed=1)
    seen = np.broadcast_to(data.batch(range(6)).operator.mask.numpy(), (6, *SHAPE))
    spoiled = CorruptedImages(np.where(seen, clean(), np.nan).astype(np.float32), corruption, seed=1)
    assert torch.equal(data.batch(range(6)).y, spoiled.batch(range(6)).y)
    assert data.identity == spoiled.identity
    for a, b in zip(train_a_little(data), train_a_little(spoiled), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    # And it would be seen if they were read: a pixel that is shown does change the data.
    changed = CorruptedImages(np.where(seen, 0.0, clean()).astype(np.float32), corruption, seed=1)
    assert data.identity != changed.identity


def test_noise_is_on_the_seen_pixels_only_and_of_its_level():
    corruption = RandomInpainting((1, 200, 200), 0.5, sigma=0.3)
    data = corruption.measure(torch.zeros(4, 1, 200, 200), keys(4))
    assert torch.equal(data.y != 0, data.operator.mask)
    assert float(data.y[data.operator.mask].std()) == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize(
    "corruption, operator",
    [
        (Blur(SHAPE, MOTION, sigma=0.3), Convolution(MOTION)),
        (SuperResolution(SHAPE, 4, sigma=0.3), Downsampling(SHAPE[1:], 4)),
    ],
    ids=["blur", "smaller"],
)
def test_measurements_are_those_of_the_operator(corruption, operator):
    x = torch.from_numpy(clean(200))
    y = CorruptedImages(clean(200), corruption, seed=3).batch(range(200)).y
    error = y - operator(x)
    assert float(error.std()) == pytest.approx(0.3, rel=0.02)
    assert abs(float((error * operator(x)).mean())) < 0.01
    z = x.clone().requires_grad_()
    corruption.to_teacher(z).square().sum().backward()
    assert torch.allclose(z.grad, 2 * operator.gram(x), atol=1e-4)


def test_eight_bit_images_are_scaled():
    bytes_ = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    data = CorruptedImages(bytes_, Noise((1, 16, 16), 0.0), seed=0)
    assert data.batch([0]).y.min() == -1 and data.batch([0]).y.max() == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomInpainting(SHAPE, 1.0),
        lambda: RandomInpainting(SHAPE, 0.4, -0.1),
        lambda: RandomInpainting(SHAPE, 0.4, sigma=-1.0),
        lambda: BoxInpainting(SHAPE, 12),
        lambda: Blur(SHAPE, torch.ones(25, 3)),
        lambda: Blur(SHAPE, MOTION, sigma=float("nan")),
        lambda: SuperResolution(SHAPE, 5),
        lambda: SuperResolution(SHAPE, 0),
        lambda: CorruptedImages(clean()[:0], Noise(SHAPE, 0.1), 0),
        lambda: CorruptedImages(clean()[:, :2], Noise(SHAPE, 0.1), 0),
        lambda: CorruptedImages(clean(), Noise(SHAPE, 0.1), 0, items=["one"]),
    ],
)
def test_what_cannot_be_is_refused(make):
    with pytest.raises(InputError, match="expected|too large|no images"):
        make()


@each
def test_measuring_is_observing_what_the_teacher_models(make):
    """Images meet A once, whichever way they come; the teacher's own samples are not put through A again."""
    corruption, chosen = make(), [(0, "item", i) for i in range(3)]
    images = torch.rand(3, *SHAPE, generator=generator(0, "observed"))
    modelled = corruption.to_teacher(images)
    assert torch.equal(corruption.measure(images, chosen).y, corruption.observe(modelled, chosen).y)
    assert tuple(modelled.shape[1:]) == tuple(corruption.image_shape)
    assert corruption.models_measurements == (modelled is not images)
