"""Scans whose image is known, none of which anything was fitted on: for `trust.py` and `adapt.py`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.coils.acs import centre
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import fft2c, ifft2c
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.reconstruction.full_scans import full_image
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.trajectory import TRAJECTORIES
from rsd_mri.simulation import simulate_scan
from rsd_mri.simulation.contrast import Contrast
from rsd_mri.simulation.receive import CoilArray, draw_coils

SEED, NOISE, COILS, SIZE = 8200, 0.015, 8, (112, 96)
CONTRASTS: tuple[Contrast, ...] = ("T2", "T1", "FLAIR", "PD")
Pair = tuple[str, Scan, NDArray[np.float32]]
"""Name, full scan, and the magnitude [slice, readout, phase_encode] that is true of it."""


@dataclass(frozen=True)
class Law:
    """How scans are undersampled."""

    kind: str
    """As of `MaskSettings`, or a trajectory."""
    acceleration: float
    centre: int = 0
    """Lines, or side of the square; of masks."""

    @property
    def name(self) -> str:
        """For a table."""
        return f"R={self.acceleration:g}" + {"uniform": "", "poisson": ", points"}.get(self.kind, f", {self.kind}")

    def of(self, full: Scan, *key: str | int) -> Scan:
        """A full scan, undersampled by a mask drawn for the key."""
        settings = MaskSettings(kind=self.kind, acceleration=self.acceleration, acs_lines=self.centre)
        mask = draw_mask(settings, full.size, generator(*key, "mask")).mask.numpy()
        return replace(full, kspace=full.kspace * mask, mask=mask, mask_source="file")


LINES = (Law("uniform", 2, 20), Law("uniform", 3, 16), Law("uniform", 4, 12), Law("uniform", 6, 8))
POINTS = (Law("poisson", 4, 16), Law("poisson", 7, 16))
SPOKES = (Law("radial", 4), Law("spiral", 4))
LARGE = (Law("uniform", 4, 20), Law("uniform", 6, 16), Law("uniform", 3, 24), Law("poisson", 7, 24))
LARGE_SIZE = (256, 256)


@dataclass(frozen=True)
class Case:
    """An undersampled scan with its image; both are made when they are wanted."""

    name: str
    law: Law
    size: tuple[int, int]
    """Of the matrix."""
    make: Callable[[], tuple[Scan, NDArray[np.float32]]]


def head(
    law: Law, size: tuple[int, int], seed: int, number: int, contrast: Contrast, noise: float = NOISE
) -> tuple[Scan, NDArray[np.float32]]:
    """A simulated head, undersampled, with its noiseless image."""
    data = DataSettings(slices=1, coils=COILS, noise=noise)
    make = {"size": size, "plane": "axial", "contrast": contrast, "noise_correlation": 0.2}
    if law.kind in TRAJECTORIES:
        along = TRAJECTORIES[law.kind](size, law.acceleration)
        scan, image = simulate_scan(data, seed, number, trajectory=along, **make)
        return scan, np.abs(image)
    make |= {"fov": 0.8 if law.kind == "uniform" and size == SIZE else 1.0}
    full, _ = simulate_scan(data, seed, number, **make)
    clean, _ = simulate_scan(replace(data, noise=0.0), seed, number, **make)
    return law.of(full, seed, number), full_image(clean)


def simulated_cases(seed: int = SEED + 600, count: int = 20) -> Iterator[Case]:
    """So many heads under lines, a half of that under points, and some of full size and along trajectories."""
    groups = (
        (SIZE, LINES, count), (SIZE, POINTS, count // 2),
        (LARGE_SIZE, LARGE, count // 5), ((112, 112), SPOKES, count // 5),
    )  # fmt: skip
    number = 0
    for size, laws, wanted in groups:
        for at in range(wanted):
            law, contrast = laws[at % len(laws)], CONTRASTS[(at // len(laws) + at) % len(CONTRASTS)]
            noise = (NOISE, NOISE / 2, 2 * NOISE)[at % 3] if size == SIZE else NOISE

            def make(
                law: Law = law,
                size: tuple[int, int] = size,
                number: int = number,
                contrast: Contrast = contrast,
                noise: float = noise,
            ) -> tuple[Scan, NDArray[np.float32]]:
                return head(law, size, seed, number, contrast, noise)

            yield Case(f"simulated {contrast} {number}", law, size, make)
            number += 1


def image_cases(path: Path, seed: int = SEED) -> Iterator[Case]:
    """Every image of an archive: once under lines, once under points."""
    for number, (name, full, truth) in enumerate(images(path)):
        for law in (LINES[number % len(LINES)], POINTS[number % len(POINTS)]):

            def make(
                law: Law = law, full: Scan = full, truth: NDArray[np.float32] = truth, number: int = number
            ) -> tuple[Scan, NDArray[np.float32]]:
                return law.of(full, seed, path.name, number), truth

            yield Case(name, law, full.size, make)


def heads() -> Iterator[Pair]:
    """Simulated heads of four contrasts, with their noiseless images."""
    for number, contrast in enumerate(CONTRASTS):
        data = DataSettings(slices=1, coils=COILS, noise=NOISE)
        law = {"size": SIZE, "plane": "axial", "contrast": contrast, "fov": 0.8, "noise_correlation": 0.2}
        scan, _ = simulate_scan(data, SEED, number, **law)
        yield f"simulated {contrast}", scan, full_image(simulate_scan(replace(data, noise=0.0), SEED, number, **law)[0])


def images(path: Path) -> Iterator[Pair]:
    """The images of an archive, made small and seen by simulated coils."""
    for name, number, seen, coils in seen_images(path):
        yield name, scan_of(name, seen, coils, (path.name, number)), root(seen)


def seen_images(
    path: Path, high: tuple[int, int] = SIZE, wide: tuple[int, int] = (112, 112)
) -> Iterator[tuple[str, int, Tensor, CoilArray]]:
    """Name and number of an archive's images, what simulated coils see of them, and these.

    Complex, or magnitudes that get a smooth phase; of stacks the middle one. Those that are wider than high are made as
    large as `wide` says, the others as `high`.
    """
    with np.load(path, allow_pickle=False) as archive:
        for number, name in enumerate(archive):
            array = archive[name]
            if array.ndim == 3 and np.iscomplexobj(array):
                continue  # k-space of one coil
            image = torch.from_numpy(np.asarray(array[len(array) // 2] if array.ndim == 3 else array, np.complex64))
            size = wide if image.shape[1] > image.shape[0] else high
            small = ifft2c(torch.from_numpy(centre(fft2c(image).numpy(), size).copy()))
            y, x = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in size), indexing="ij")
            if not np.iscomplexobj(array):
                small = torch.polar(small.abs(), 1 + 1.2 * x - 0.8 * y + 0.5 * x * y)
            small = small / torch.quantile(small.abs().flatten(), 0.99)
            coils = draw_coils(COILS, 0.2, generator(SEED, path.name, number, "coils"))
            places = torch.stack(
                [torch.stack([torch.tensor([-c, -r - 12, 5.0]) for c in (-105.0, 105.0)]) for r in (-110.0, 110.0)]
            )
            yield name, number, coils.sensitivities(places, size) * small, coils


def measured_scans(path: Path) -> Iterator[Scan]:
    """Full scans of one coil: the two middle slices of every stack of k-space [slice, readout, phase_encode]."""
    with np.load(path, allow_pickle=False) as archive:
        for name in archive:
            kspace = archive[name]
            if kspace.ndim != 3 or not np.iscomplexobj(kspace):
                continue
            for number in (len(kspace) // 2 - 1, len(kspace) // 2):
                one = np.ascontiguousarray(kspace[None, None, number])
                yield Scan(one, np.ones(kspace.shape[-1], bool), "full", Path(f"{name}-{number}.h5"), "measured")


def root(coil_images: Tensor) -> NDArray[np.float32]:
    """Root sum of squares over coils, [1, readout, phase_encode]."""
    found: NDArray[np.float32] = coil_images.abs().square().sum(0).sqrt().numpy()[None]
    return found


def scan_of(name: str, seen: Tensor, coils: CoilArray, key: tuple[str | int, ...]) -> Scan:
    """A full scan of coil images [coil, readout, phase_encode], with noise drawn for the key."""
    size = (seen.shape[-2], seen.shape[-1])
    noise = NOISE * coils.noise(size, generator(SEED, *key, "noise"))
    silent = NOISE * coils.noise((4096,), generator(SEED, *key, "noise scan"))
    return Scan(
        (fft2c(seen) + noise)[None].numpy(),
        np.ones(size[1], bool),
        "full",
        Path(f"{name}.h5"),
        "simulated",
        noise=silent.numpy(),
        image_size=size,
    )
