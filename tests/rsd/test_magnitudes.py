"""What a protocol leaves to the data is found from measurements, and is what the clean images would have said."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rsd_mri.corruption.identity import Noise
from rsd_mri.corruption.inpainting import RandomInpainting
from rsd_mri.corruption.kernels import gaussian_kernel
from rsd_mri.corruption.measured import Blur
from rsd_mri.datasets.images import CorruptedImages
from rsd_mri.datasets.slices import UndersampledSlices
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import fft2c, sense_operator
from rsd_mri.protocol import DistillationSettings, MaskSettings, Protocol, TeacherSettings
from rsd_mri.rsd.magnitudes import settled

LEFT = Protocol()
SHAPE, SIZE = (3, 16, 16), (48, 64)


def head_like(count):
    """Images whose energy falls with the square of the frequency, as that of anatomy does."""
    white = normal((count, *SIZE), generator("heads"))
    ky, kx = torch.meshgrid(*(torch.fft.fftfreq(n) * n for n in SIZE), indexing="ij")
    return torch.fft.ifft2(torch.fft.fft2(white) / (1 + (ky**2 + kx**2) / 16))


class Scans:
    """Slices of known images, in three coils, some noisier than others."""

    def __init__(self, images):
        self.images = images
        self.items = [f"slice-{i}" for i in range(len(images))]
        self.shapes = [(3, *SIZE)] * len(images)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        csm = normal((3, *SIZE), generator("csm", i))
        csm = csm / csm.abs().square().sum(0, keepdim=True).sqrt()
        sigma = 0.02 * (1 + i % 3)
        kspace = fft2c(csm * self.images[i]) + sigma * normal((3, *SIZE), generator("noise", i))
        rest = {"mask": np.ones(SIZE[1], bool), "sigma": np.float32(sigma), "item": self.items[i]}
        return {"kspace": kspace.numpy(), "csm": csm.numpy(), **rest}


@pytest.mark.parametrize(
    "kind", ["uniform", "equispaced", "variable-density", pytest.param("poisson", marks=pytest.mark.long)]
)
def test_scans_are_as_large_as_their_images(kind):
    images = head_like(48)
    data = UndersampledSlices(Scans(images), MaskSettings(kind, 4.0, 8), 0)
    found = settled(LEFT, data).teacher
    truth = float(images.abs().square().mean().sqrt())
    assert found.sigma_data == pytest.approx(truth, rel=0.03)
    # What the further mask hides, from the clean images.
    batch = data.batch(range(48))
    further = data.corruption.further(batch.operator, [(0, i, "again") for i in range(48)])
    whole = sense_operator(batch.operator.csm, torch.ones(SIZE[1], dtype=torch.bool))
    hidden = whole.forward(images) - further.forward(images)
    assert found.sigma_hidden == pytest.approx(float(hidden.abs().square().sum(1).mean().sqrt()), rel=0.15)


@pytest.mark.parametrize(
    ("make", "share"),
    [(lambda: Noise(SHAPE, 0.3), 0.0), (lambda: RandomInpainting(SHAPE, 0.4, sigma=0.3), 0.4)],
    ids=["noise", "pixels and noise"],
)
def test_pictures_are_as_large_as_they_are(make, share):
    images = normal((64, *SHAPE), generator("pictures"), torch.float32).numpy() * 0.4
    data = CorruptedImages(images, make(), 0)
    found = settled(LEFT, data).teacher
    assert found.sigma_data == pytest.approx(0.4, rel=0.03)
    hidden = (1 - (1 - share) * (0.9 if share else 1.0)) ** 0.5
    assert found.sigma_hidden == pytest.approx(0.4 * hidden, rel=0.05, abs=1e-6)


def test_blurred_pictures_are_as_large_as_what_their_teacher_models():
    """Its images are A x."""
    law = Blur(SHAPE, gaussian_kernel(), sigma=0.1)
    images = normal((64, *SHAPE), generator("pictures"), torch.float32)
    blurred = law.to_teacher(images)
    found = settled(LEFT, CorruptedImages(images.numpy(), law, 0)).teacher
    assert found.sigma_data == pytest.approx(float(blurred.square().mean().sqrt()), rel=0.05)


def test_what_the_protocol_says_stays():
    data = CorruptedImages(np.zeros((4, *SHAPE), np.float32), Noise(SHAPE, 0.3), 0)
    teacher = TeacherSettings(sigma_data=0.45, sigma_hidden=0.1)
    given = replace(LEFT, teacher=teacher, distillation=DistillationSettings(sigma_min=0.03))
    assert settled(given, data) == given
    assert settled(replace(LEFT, teacher=TeacherSettings(sigma_hidden=0.1)), data).teacher.sigma_hidden == 0.1


def test_generated_images_are_compared_down_to_the_noise_of_scans_and_as_published_of_pictures():
    scans = UndersampledSlices(Scans(head_like(48)), MaskSettings("uniform", 4.0, 8), 0)
    found = settled(LEFT, scans)
    assert found.distillation.sigma_min == pytest.approx(0.04)  # the median of 0.02, 0.04 and 0.06
    pictures = CorruptedImages(np.zeros((4, *SHAPE), np.float32), Noise(SHAPE, 0.3), 0)
    assert settled(LEFT, pictures).distillation.sigma_min == 0.002
    assert settled(found, scans) == found
