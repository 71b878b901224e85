"""The Python interface: read a scan, reconstruct it, look at it, save it.

`import rsd_mri` brings these names without loading them; torch is imported by the first one that is used.
"""

import html
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.corruption.corruption import Key
from rsd_mri.errors import InputError
from rsd_mri.machine.device import resolve_device
from rsd_mri.priors import GENERATION, RECONSTRUCTION
from rsd_mri.priors.prior import Prior as _Prior
from rsd_mri.priors.prior import load_law
from rsd_mri.priors.prior import load_prior as _load_prior
from rsd_mri.progress import Progress
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.randomness import generator
from rsd_mri.reconstruction.intervals import read_calibration, with_interval, with_package_interval
from rsd_mri.reconstruction.methods import find_prior, method_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.reconstruction.posterior.samplers.sampler import sampler_of
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.results import facts
from rsd_mri.results.figures import contact_sheet, write_png
from rsd_mri.results.files import read_reconstruction, write_reconstruction
from rsd_mri.results.overview import Picture, overview_figure
from rsd_mri.results.page import data_uri, write_page
from rsd_mri.results.reconstruction import Reconstruction as _Reconstruction
from rsd_mri.rsd.sampling import sample_prior
from rsd_mri.scan.inspection import inspect_scan
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.scan.reading import read_scan
from rsd_mri.scan.scan import Scan as _Scan
from rsd_mri.simulation import simulate_scan

__all__ = [
    "Prior", "Reconstruction", "Samples", "Scan", "load_prior", "load_reconstruction", "read", "reconstruct",
    "simulate",
]


class Scan(_Scan):
    """A scan that tells a notebook what was understood of it."""

    def _repr_html_(self) -> str:
        return _panel(repr(self), inspect_scan(self).rows(), facts.mask_picture(self.mask))


class Reconstruction(_Reconstruction):
    """A reconstruction that can be shown and saved."""

    def show(self, slices: Sequence[int] | None = None) -> Picture:
        """Slices side by side, with their standard deviation below where there is one.

        Parameters
        ----------
        slices
            Which, counted from 0; at most six, evenly spread, where not given.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it; elsewhere `savefig` writes it.
        """
        return overview_figure(self, slices)

    def save(self, path: str | Path, patient_id: str | None = None) -> list[Path]:
        """Write the reconstruction in the format that the file's ending says.

        Parameters
        ----------
        path
            `.h5`; `.nii.gz`, which also writes `_phase`, `_std` and `_samples` beside it; `.png`; `.html`; or a
            folder, a name without an ending, for DICOM.
        patient_id
            Written into DICOM files, which say nothing about the patient without it.

        Returns
        -------
        list of Path
            The files written.

        Raises
        ------
        InputError
            If the ending is another, the image is not finite, or DICOM cannot hold `patient_id`.
        """
        path = Path(path)
        if patient_id is not None and path.suffix:
            raise InputError(f"{path}: only DICOM holds a patient_id; give a folder, a name without an ending")
        if path.name.endswith(".nii.gz"):
            from rsd_mri.results.nifti import write_nifti

            magnitude, *others = write_nifti(path.parent, self, path.name.removesuffix(".nii.gz"))
            return [magnitude.replace(path), *others]
        if path.suffix in (".h5", ".hdf5"):
            return [write_reconstruction(path, self)]
        if path.suffix == ".png":
            return [write_png(path, self)]
        if path.suffix == ".html":
            return [write_page(path, self)]
        if path.suffix == "":
            from rsd_mri.results.dicom import write_dicom

            return write_dicom(path, self, patient_id=patient_id)
        raise InputError(f"{path}: expected a name ending in .h5, .nii.gz, .png or .html, or a folder for DICOM")

    def __repr__(self) -> str:
        size = "x".join(map(str, self.magnitude.shape))
        return f"<Reconstruction {self.source.name} {self.method} {size} R={self.acceleration:.2f}>"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, ...]] = [("Note", line) for line in facts.warnings(self)]
        rows += [*facts.acquisition(self), *facts.methods([self])[1:]]
        middle = self.n_slices // 2
        return _panel(repr(self), rows, contact_sheet(self.magnitude[middle : middle + 1]))


@dataclass(frozen=True)
class Samples:
    """Generated images."""

    images: NDArray[np.generic]
    """[image, readout, phase_encode] complex in prepared units, or [image, channel, y, x] from -1 to 1."""
    pictures: NDArray[np.floating]
    """To look at: magnitudes [image, y, x], or colours [image, y, x, 3] from 0 to 1."""
    prior: "Prior"
    """The network that made them."""

    def show(self, columns: int | None = None) -> Image.Image:
        """All of them on one sheet, each with the warning burnt in; `save` of the sheet writes it."""
        return contact_sheet(self.pictures, columns)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"<Samples {len(self)} images of {self.prior!r}>"

    def _repr_png_(self) -> bytes | None:
        return self.show()._repr_png_()


class Prior(_Prior):
    """A prior that says what it was learned from, and generates where it can."""

    def generate(
        self, count: int = 16, *, network: str | None = None, seed: int = 0, batch: int = 16, device: str = "auto"
    ) -> Samples:
        """Images from noise alone: the same as `rsd-mri generate` writes.

        Parameters
        ----------
        count
            How many.
        network
            `generator` (one call an image) or `teacher` (tens of calls); the run's generator where it has one, else
            its teacher.
        seed
            Images are keyed by (seed, number).
        batch
            Images at a time; does not change them.
        device
            `auto`, `cpu`, `cuda` or `mps`.

        Raises
        ------
        InputError
            If the run has neither, or the count is below 1.
        """
        if count < 1 or batch < 1:
            raise InputError(f"count {count}, batch {batch}: expected at least 1 of each")
        chosen = self._that_generates(network).to(resolve_device(device))
        law = load_law(chosen.path.parent, chosen)
        keys: list[Key] = [(seed, "generate", i) for i in range(count)]
        made = torch.cat([sample_prior(chosen, law, keys[i : i + batch]).cpu() for i in range(0, count, batch)])
        return Samples(made.numpy(), law.picture(made).numpy(), _own(chosen))

    def _that_generates(self, network: str | None) -> _Prior:
        wanted = ("generator", "teacher") if network is None else (network,)
        if not set(wanted) <= {"generator", "teacher"}:
            raise InputError(f"network {network}: expected generator or teacher")
        for kind in wanted:
            if self.kind == kind:
                return self
            if (self.path.parent / f"{kind}.safetensors").is_file():
                return _load_prior(self.path.parent, kind)
        raise InputError(
            f"{self.path}: holds a {self.kind} and no {' or '.join(wanted)} lies beside it, so it cannot generate; "
            "load a run folder that 'rsd-mri train --accel 4' wrote"
        )

    def __repr__(self) -> str:
        return f"<Prior {self.path.name} {self.kind}>"

    def _repr_html_(self) -> str:
        settings = self.protocol.network
        rows = [
            ("Kind", {"denoiser": "denoiser of whole images"}.get(self.kind, self.kind)),
            ("File", str(self.path)),
            ("SHA-256", self.sha256),
            ("Protocol", f"{self.protocol.name}: {self.protocol.description}"),
            ("Network", ", ".join(f"{name} {value}" for name, value in asdict(settings).items())),
            *((name.replace("_", " "), str(value)) for name, value in self.card.as_dict().items()),
        ]
        return _panel(repr(self), rows)


def read(path: str | Path) -> Scan:
    """Read one scan: fastMRI HDF5, ISMRMRD HDF5, BART cfl/hdr or `.npy`, recognised by what is in it.

    Raises
    ------
    InputError
        If the file is not a whole, usable scan; the sentence names what was expected.
    """
    return Scan(**vars(read_scan(path)))


def simulate(
    acceleration: float | None = 4.0,
    *,
    matrix: int = 128,
    slices: int = 1,
    coils: int = 8,
    noise: float = 0.01,
    acs_lines: int = 20,
    seed: int = 0,
) -> tuple[Scan, NDArray[np.complex64]]:
    """Simulate a multi-coil scan of a brain, and the image behind it.

    Parameters
    ----------
    acceleration
        Asked; None for a full scan.
    matrix, slices, coils
        How many pixels along each side, slices and receive coils.
    noise
        Standard deviation of the complex k-space noise over the brightest tissue.
    acs_lines
        Lines kept in the centre of k-space.
    seed
        Gives the head, the coils, the sampling and the noise.

    Returns
    -------
    scan
        As a scanner would store it.
    image
        [slice, readout, phase_encode] complex: without noise, nothing missing.

    Raises
    ------
    InputError
        If a number makes no scan.
    """
    size = (matrix, matrix)
    pattern = None
    if acceleration is not None:
        law = MaskSettings(acceleration=acceleration, acs_lines=acs_lines)
        pattern = draw_mask(law, size, generator(seed, 0, "mask"))
    settings = DataSettings(slices=slices, matrix=matrix, coils=coils, noise=noise)
    scan, image = simulate_scan(settings, seed, 0, pattern=pattern)
    return Scan(**vars(scan)), image


def load_reconstruction(path: str | Path) -> Reconstruction:
    """Read a reconstruction that `save` or `rsd-mri recon` wrote as `.h5`.

    Raises
    ------
    InputError
        If the file is missing or is not one.
    """
    return Reconstruction(**vars(read_reconstruction(path)))


def load_prior(source: str | Path | None = None, kind: str | None = None) -> Prior:
    """Load the prior that comes with the package, or one of a run.

    Parameters
    ----------
    source
        Run folder or `.safetensors` file; the package's prior where not given.
    kind
        `teacher`, `generator` or `denoiser`: which of a run's to take. By default the denoiser where there is one,
        else the teacher.

    Raises
    ------
    InputError
        If there is none.
    """
    if source is None and kind is None:
        return _own(find_prior(None, "posterior"))
    own = GENERATION if kind == "generator" else RECONSTRUCTION
    return _own(_load_prior(own if source is None else source, kind))


def reconstruct(
    scan: _Scan | str | Path,
    samples: int = 8,
    method: str = "posterior",
    prior: _Prior | str | Path | None = None,
    *,
    sampler: str = "diffpir",
    levels: int | None = None,
    consistency: bool = False,
    calibration: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[float], None] | None = None,
) -> Reconstruction:
    """Reconstruct every slice of a scan.

    Parameters
    ----------
    scan
        A scan or its file.
    samples
        Posterior samples; the mean is the image, their spread the standard deviation.
    method
        `posterior`, `one-step`, `l1-wavelet`, `tv`, `cg-sense` or `zero-filled`.
    prior
        For the first two: a prior, a run folder or a file; the package's where not given.
    sampler
        `diffpir`, `annealing`, `langevin`, `dps` or `a-dps`.
    levels
        Noise levels of the sampler; its own where not given.
    consistency
        Replace the measured part of every sample by the data, noise and all.
    calibration
        A file of `rsd-mri calibrate`, for the half width of the interval; the package's, where not given and it fits.
    seed
        Of the samples.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    progress
        Called with the share done, from 0 to 1.

    Raises
    ------
    InputError
        If an option is none of those above, or the scan or the prior cannot be used.
    """
    on = resolve_device(device)
    how = method_of(method, prior, sampler_of(sampler, levels, SAMPLERS), samples, consistency)
    if how.prior is not None:
        how.prior.to(on)
    known = None if calibration is None else read_calibration(Path(calibration))
    source = scan if isinstance(scan, _Scan) else read_scan(scan)
    rec = reconstruct_scan(source, how, seed=seed, device=on, progress=Progress.of(progress))
    return Reconstruction(**vars(with_package_interval(rec) if known is None else with_interval(rec, known)))


def _own(prior: _Prior) -> Prior:
    return Prior(**vars(prior))


def _panel(title: str, rows: Sequence[tuple[str, ...]], picture: Image.Image | None = None) -> str:
    """A table, a picture beside it, and the warning."""
    left = "style='text-align:left;vertical-align:top'"
    body = "".join(
        f"<tr><th {left}>{html.escape(row[0])}</th><td {left}>{html.escape(' '.join(row[1:]))}</td></tr>"
        for row in rows
    )
    shown = ""
    if picture is not None:
        shown = f"<img alt='' style='width:18em;image-rendering:pixelated' src='{data_uri(picture)}'>"
    return (
        f"<div><b>{html.escape(title)}</b><div style='display:flex;gap:1em;align-items:flex-start'>"
        f"<table>{body}</table>{shown}</div><i>{NOT_FOR_DIAGNOSTIC_USE}</i></div>"
    )
