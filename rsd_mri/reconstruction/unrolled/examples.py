"""Scans to learn from: restored images, seen again by fresh coils under fresh masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rsd_mri.datasets.patches import RestoredPatches
from rsd_mri.datasets.variety import happens, log_uniform, uniform
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import Sense, fft2c, sense_operator
from rsd_mri.protocol import MaskSettings, ReconstructorSettings
from rsd_mri.protocol.settings import Pattern
from rsd_mri.scan.middle import centre_window
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.simulation.receive import HEAD_CENTRE, draw_coils

LINE_PATTERNS: tuple[Pattern, ...] = ("uniform", "equispaced", "variable-density")
COILS = (4, 6, 8, 8)


@dataclass(frozen=True)
class Scans:
    """A batch of simulated scans and the images behind them."""

    operator: Sense
    """As reconstruction knows it: of maps that are a little wrong."""
    kspace: Tensor
    sigma: Tensor
    """[item]."""
    images: Tensor
    """[item, (set,) readout, phase_encode]: restored images, taken for the truth."""
    keys: Sequence[tuple[int | str, ...]]

    def to(self, device: torch.device) -> "Scans":
        """On another device."""
        operator = sense_operator(self.operator.csm.to(device), self.operator.mask[:, 0].to(device))
        return Scans(operator, self.kspace.to(device), self.sigma.to(device), self.images.to(device), self.keys)


class RestoredScans:
    """Simulated scans of restored images; a number always gives the same scan.

    Bands of rows stand for whole images: a mask of lines acts on each row alone, and all of the phase encoding is
    needed for its aliasing to be what it is. Patterns of points get squares.

    Parameters
    ----------
    images
        [image, readout, phase_encode] complex64, prepared units: reconstructions of undersampled scans.
    settings
        Sizes, rates and noise.
    seed
        Of the protocol.
    """

    def __init__(self, images: Tensor, settings: ReconstructorSettings, seed: int) -> None:
        self.settings, self.seed = settings, seed
        largest = min(images.shape[-2:])
        widths = [n for n in settings.widths if n <= largest] or [largest // 8 * 8]
        self.sources = {n: RestoredPatches(images, n, seed, settings.variety) for n in widths}
        self.identity = next(iter(self.sources.values())).identity

    def batch(self, number: int, indices: Sequence[int]) -> Scans:
        """Scans of one shape.

        Parameters
        ----------
        number
            Of the batch: decides what all of its scans share.
        indices
            Running numbers of the scans.
        """
        s, rng = self.settings, generator(self.seed, "scans", number)
        points = happens(rng, s.points)
        sets = 2 if happens(rng, s.two_sets) else 1
        widths = list(self.sources)
        width = min(widths) if points else widths[int(torch.randint(len(widths), (), generator=rng))]
        coils = COILS[int(torch.randint(len(COILS), (), generator=rng))]
        size = (min(s.point_rows, width), min(s.point_rows, width)) if points else (min(s.rows, width), width)
        items = [self._scan(index, width, size, points, sets, coils) for index in indices]
        csm, mask, kspace, sigma, image = (torch.stack(parts) for parts in zip(*items, strict=True))
        keys = [(self.seed, "scan", index) for index in indices]
        return Scans(sense_operator(csm, mask), kspace, sigma, image, keys)

    def _scan(
        self, index: int, width: int, size: tuple[int, int], points: bool, sets: int, coils: int
    ) -> tuple[Tensor, ...]:
        """One scan: maps as they are known, mask, k-space, noise level, images."""
        s, rng = self.settings, generator(self.seed, "scan", index)
        images, maps = [], []
        for number in range(sets):
            image = self._image(2 * index + number, width, size, rng)
            true = coil_maps(coils, size, rng)
            if number:
                image = image * folded_part(size, rng)
            elif happens(rng, 0.5):
                image = image * body(size, rng)
            images.append(image)
            maps.append(true)
        known = []
        for image, true in zip(images, maps, strict=True):
            support = supported(image, rng)
            known.append(mistaken(true, rng, s.map_error) * support)
        sigma = log_uniform(rng, *s.noise)
        coil_images = torch.stack([true * image for true, image in zip(maps, images, strict=True)]).sum(0)
        noise = normal((coils, *size), rng)
        mask = self._mask(size, points, rng)
        kspace = torch.where(mask, fft2c(coil_images) + sigma * noise, torch.zeros((), dtype=torch.complex64))
        one_set = sets == 1
        return (
            known[0] if one_set else torch.stack(known),
            mask,
            kspace,
            torch.tensor(sigma),
            images[0] if one_set else torch.stack(images),
        )

    def _image(self, index: int, width: int, size: tuple[int, int], rng: torch.Generator) -> Tensor:
        """A part of a patch; of two places the brighter one."""
        patch = self.sources[width].batch([index]).y[0]
        places = [
            tuple(
                int(torch.randint(n - part + 1, (), generator=rng)) for n, part in zip(patch.shape, size, strict=True)
            )
            for _ in range(2)
        ]
        cut = [patch[y : y + size[0], x : x + size[1]] for y, x in places]
        return max(cut, key=lambda one: float(one.abs().sum()))

    def _mask(self, size: tuple[int, int], points: bool, rng: torch.Generator) -> Tensor:
        """[readout or 1, phase_encode]."""
        s = self.settings
        rate = log_uniform(rng, *s.accelerations)
        if points:
            return point_mask(size, rate, rng)
        kind = LINE_PATTERNS[int(torch.randint(len(LINE_PATTERNS), (), generator=rng))]
        if kind == "equispaced":
            rate = float(max(round(rate), 2))
        most = int(0.85 * size[1] / rate)
        centre = min(int(torch.randint(8, 25, (), generator=rng)), most)
        return draw_mask(MaskSettings(kind, rate, centre), size, rng).mask[None]


def point_mask(size: tuple[int, int], rate: float, rng: torch.Generator) -> Tensor:
    """Random points, as dense everywhere or denser near the centre, and a fully sampled centre, [*size].

    Drawn point by point: quicker than Poisson discs, of which not every rate and centre has one.
    """
    budget = size[0] * size[1] / rate
    side = min(int(torch.randint(8, 21, (), generator=rng)), int((0.4 * budget) ** 0.5))
    rows, columns = (torch.linspace(-1, 1, n)[:, None] for n in size)
    distance = (rows.square() + columns.T.square()).sqrt() / 2**0.5
    likely = (1 - distance).clamp_min(0.02) ** uniform(rng, 0, 3)
    centre = torch.zeros(size, dtype=torch.bool)
    centre[centre_window(size, (side, side))] = True
    likely[centre] = 0
    chosen = torch.multinomial(likely.flatten(), max(round(budget) - side**2, 1), generator=rng)
    mask = centre.flatten()
    mask[chosen] = True
    return mask.reshape(size)


def coil_maps(coils: int, size: tuple[int, int], rng: torch.Generator) -> Tensor:
    """Maps of a fresh array on a random plane through the head, of unit root sum of squares, [coil, *size]."""
    array = draw_coils(coils, 0.0, rng)
    # Any orientation: the directions of a random rotation.
    directions = torch.linalg.qr(torch.randn(3, 3, generator=rng))[0]
    voxel = uniform(rng, 0.8, 1.3) if size[1] >= 96 else uniform(rng, 1.5, 2.2)
    phase = min(voxel * size[1], 240.0) if size[1] >= 96 else voxel * size[1]
    readout = phase * size[0] / size[1]
    middle = torch.tensor(HEAD_CENTRE) + torch.tensor([uniform(rng, -1, 1) for _ in range(3)]) * torch.tensor(
        [15.0, 20.0, 25.0]
    )
    middle = middle + directions[0] * uniform(rng, -1, 1) * max(95 - readout / 2, 0)
    corners = torch.stack(
        [
            torch.stack([middle + r * readout / 2 * directions[0] + c * phase / 2 * directions[1] for c in (-1, 1)])
            for r in (-1, 1)
        ]
    )
    maps = array.sensitivities(corners, size)
    return maps / maps.abs().square().sum(0).sqrt().clamp_min(1e-6)


def mistaken(maps: Tensor, rng: torch.Generator, levels: tuple[float, float]) -> Tensor:
    """Maps as they are estimated: every coil with a smooth relative error, and unit root sum of squares."""
    knots = int(torch.randint(4, 9, (), generator=rng))
    error = torch.randn(len(maps) * 2, 1, knots, knots, generator=rng)
    fields = F.interpolate(error, maps.shape[-2:], mode="bicubic", align_corners=True)[:, 0]
    factor = 1 + log_uniform(rng, *levels) * torch.complex(fields[::2], fields[1::2])
    wrong = maps * factor
    return wrong / wrong.abs().square().sum(0).sqrt().clamp_min(1e-6)


def supported(image: Tensor, rng: torch.Generator) -> Tensor:
    """Where maps are known: around what is there, or everywhere, [readout, phase_encode]."""
    magnitude = image.abs()
    if happens(rng, 0.3):
        return magnitude > 0 if happens(rng, 0.5) else torch.ones_like(magnitude, dtype=torch.bool)
    near = F.avg_pool2d(magnitude[None], 9, 1, 4)[0]
    return near > uniform(rng, 0.02, 0.08) * near.max()


def folded_part(size: tuple[int, int], rng: torch.Generator) -> Tensor:
    """Strips at both ends of the phase encoding, where what lies outside the field of view wraps to."""
    left, right = (int(uniform(rng, 0.05, 0.35) * size[1]) for _ in range(2))
    strips = torch.zeros(size)
    strips[:, :left] = 1
    strips[:, size[1] - right :] = 1
    return strips


def body(size: tuple[int, int], rng: torch.Generator) -> Tensor:
    """An object that ends before the field of view does, with soft or sharp ends along the phase encoding."""
    x = torch.linspace(-1, 1, size[1]).expand(size)
    bend = 0.3 * uniform(rng, -1, 1) * torch.linspace(-1, 1, size[0])[:, None] ** 2
    soft = log_uniform(rng, 0.01, 0.05)
    low, high = uniform(rng, -1.0, -0.6), uniform(rng, 0.6, 1.0)
    inside = torch.sigmoid((x - low - bend) / soft) * torch.sigmoid((high + bend - x) / soft)
    return torch.where(inside > 0.02, inside, 0)
