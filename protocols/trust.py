"""Does the interval hold on the scan in hand? The package's calibration beside the scan's own lines.

Run with: python protocols/trust.py [IMAGES.npz ...]

Simulated heads, and every image of the given archives (complex, or magnitudes that get a smooth phase; of stacks the
middle one) seen by simulated coils, each undersampled; the share of the body that the 90 % interval covers.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.coils.acs import centre
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import fft2c, ifft2c
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.reconstruction.full_scans import body_of, full_image
from rsd_mri.reconstruction.intervals import with_own_interval
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.scan.scan import Scan
from rsd_mri.simulation import simulate_scan
from rsd_mri.simulation.receive import draw_coils

SEED, NOISE, COILS, SIZE = 8200, 0.015, 8, (112, 96)
ACCELERATIONS = ((4.0, 12), (3.0, 16), (2.0, 20))
"""With the lines of the centre."""
Pair = tuple[str, Scan, NDArray[np.float32]]


def heads() -> Iterator[Pair]:
    """Simulated heads of four contrasts, with their noiseless images."""
    for number, contrast in enumerate(("T2", "T1", "FLAIR", "PD")):
        data = DataSettings(slices=1, coils=COILS, noise=NOISE)
        law = {"size": SIZE, "plane": "axial", "contrast": contrast, "fov": 0.8, "noise_correlation": 0.2}
        scan, _ = simulate_scan(data, SEED, number, **law)
        yield f"simulated {contrast}", scan, full_image(simulate_scan(replace(data, noise=0.0), SEED, number, **law)[0])


def images(path: Path) -> Iterator[Pair]:
    """The images of an archive, made small and seen by simulated coils."""
    with np.load(path, allow_pickle=False) as archive:
        for number, name in enumerate(archive):
            array = archive[name]
            if array.ndim == 3 and np.iscomplexobj(array):
                continue  # k-space of one coil
            image = torch.from_numpy(np.asarray(array[len(array) // 2] if array.ndim == 3 else array, np.complex64))
            size = (112, 112) if image.shape[1] > image.shape[0] else SIZE
            small = ifft2c(torch.from_numpy(centre(fft2c(image).numpy(), size).copy()))
            y, x = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in size), indexing="ij")
            if not np.iscomplexobj(array):
                small = torch.polar(small.abs(), 1 + 1.2 * x - 0.8 * y + 0.5 * x * y)
            small = small / torch.quantile(small.abs().flatten(), 0.99)
            coils = draw_coils(COILS, 0.2, generator(SEED, path.name, number, "coils"))
            places = torch.stack(
                [torch.stack([torch.tensor([-c, -r - 12, 5.0]) for c in (-105.0, 105.0)]) for r in (-110.0, 110.0)]
            )
            seen = coils.sensitivities(places, size) * small
            noise = NOISE * coils.noise(size, generator(SEED, path.name, number, "noise"))
            silent = NOISE * coils.noise((4096,), generator(SEED, path.name, number, "noise scan"))
            scan = Scan(
                (fft2c(seen) + noise)[None].numpy(),
                np.ones(size[1], bool),
                "full",
                Path(f"{name}.h5"),
                "simulated",
                noise=silent.numpy(),
                image_size=size,
            )
            yield name, scan, seen.abs().square().sum(0).sqrt().numpy()[None]


def tell(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(paths: list[Path]) -> None:
    """Print the table."""
    how = method_of("posterior")
    tell("| scan | R | factor on own lines | package covers | own covers | width over 90th percentile of error |")
    tell("| --- | --- | --- | --- | --- | --- |")
    pairs = [*heads(), *(pair for path in paths for pair in images(path))]
    for number, (name, full, truth) in enumerate(pairs):
        acceleration, centre = ACCELERATIONS[number % 3]
        law = MaskSettings(acceleration=acceleration, acs_lines=centre)
        mask = draw_mask(law, full.size, generator(SEED, number, "mask")).mask.numpy()
        rec = reconstruct_scan(replace(full, kspace=full.kspace * mask, mask=mask, mask_source="file"), how)
        body, error = body_of(truth), np.abs(rec.magnitude - truth)
        alone = with_own_interval(replace(rec, checks={}))
        own = with_own_interval(rec)
        widths = [one.posterior.half_width[body] for one in (alone, own)]
        covered = [float(np.mean(error[body] <= width)) for width in widths]
        factor = rec.checks.get("own_lines_factor")
        said = "too few lines" if factor is None else f"{factor:.2f}"
        width = float(widths[1].mean() / np.quantile(error[body], 0.9))
        tell(f"| {name} | {acceleration:g} | {said} | {covered[0]:.1%} | {covered[1]:.1%} | {width:.2f} |")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
