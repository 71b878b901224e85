"""Priors: loaded, trained, and what they generate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from data_prep import PreparedDataset
from rsd_mri.api.scans import protocol_of
from rsd_mri.corruption.corruption import Key
from rsd_mri.errors import InputError
from rsd_mri.experiment.image_sets import combined_images
from rsd_mri.machine.device import resolve_device
from rsd_mri.machine.progress import Progress
from rsd_mri.priors import GENERATION, RECONSTRUCTION
from rsd_mri.priors import prior as priors
from rsd_mri.priors.guided import guided_by
from rsd_mri.priors.prior import Prior, load_corruption
from rsd_mri.protocol import Protocol, protocol_for_acceleration
from rsd_mri.reconstruction.methods import find_prior
from rsd_mri.results.figures import contact_sheet
from rsd_mri.rsd.sampling import sample_prior, sampled_by

if TYPE_CHECKING:
    from rsd_mri.rsd.train import Trained


@dataclass(frozen=True)
class Samples:
    """Generated images."""

    images: NDArray[np.generic]
    """[image, readout, phase_encode] complex in prepared units, or [image, channel, y, x] from -1 to 1."""
    pictures: NDArray[np.floating]
    """To look at: magnitudes [image, y, x], or colours [image, y, x, 3] from 0 to 1."""
    prior: Prior
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
        return find_prior(None, "posterior")
    own = GENERATION if kind == "generator" else RECONSTRUCTION
    return priors.load_prior(own if source is None else source, kind)


def train(
    protocol: str | float | Protocol,
    out: str | Path = "run",
    data: str | Path | None = None,
    *,
    stage: str = "all",
    settings: Mapping[str, object] | None = None,
    start: str | Path | None = None,
    guide: str | Path | None = None,
    fresh: bool = False,
    device: str = "auto",
    progress: Callable[[float], object] | None = None,
) -> "Trained":
    """Train a teacher from undersampled data only, and distil the one-step generator; continues what was stopped.

    Parameters
    ----------
    protocol
        Its name or file, or an acceleration that picks one.
    out
        The run folder.
    data
        A folder that `prepare` wrote; simulated brains where not given.
    stage
        `teacher`, `generator`, `all` (both), `denoiser` (the prior of reconstruction) or `reconstructor` (its network
        of few calls).
    settings
        Values that differ from the protocol's: `{"teacher.images": 1000}`.
    start
        Run folder or weights that a new network starts from; else random, a generator from its teacher.
    guide
        Run folder or weights of a worse teacher, for the setting `distillation.autoguidance`.
    fresh
        Start over.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    progress
        Called with the share done of each step.

    Raises
    ------
    InputError
        If there is no such protocol or data, or a value does not fit.
    """
    stages = ("teacher", "generator", "all", "denoiser", "reconstructor")
    if stage not in stages:
        raise InputError(f"stage {stage}: expected one of {', '.join(stages)}")
    base = protocol_for_acceleration(protocol) if isinstance(protocol, int | float) else protocol
    from rsd_mri.experiment.runs import train_run  # what trains takes four seconds to load
    from rsd_mri.training.fabric import TrainOptions

    first, worse = (None if path is None else Path(path) for path in (start, guide))
    options = TrainOptions(stage, fresh, device, start=first, guide=worse)
    folder = None if data is None else Path(data)
    return train_run(protocol_of(base, settings), Path(out), folder, options, Progress.of(progress))


def generate(
    prior: Prior | str | Path | None = None,
    count: int = 16,
    *,
    network: str | None = None,
    seed: int = 0,
    batch: int = 16,
    device: str = "auto",
    guide: Prior | str | Path | None = None,
    autoguidance: float | None = None,
    solver: str | None = None,
    steps: int | None = None,
) -> Samples:
    """Images from noise alone: the same as `rsd-mri generate` writes.

    Parameters
    ----------
    prior
        A prior of a run, or its folder; the package's generator where not given.
    count
        How many.
    network
        `generator` (one call an image) or `teacher` (tens of calls); the run's generator where it has one, else its
        teacher.
    seed
        Images are keyed by (seed, number).
    batch
        Images at a time; does not change them.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    guide
        A worse teacher, such as that of the run which the other was trained on from: it guides the teacher.
    autoguidance
        By which weight, 1 where not given.
    solver
        Of a teacher: `heun` calls it twice a step, `multistep` once; its protocol's where not given.
    steps
        Of that solver; its protocol's where not given.

    Raises
    ------
    InputError
        If the run has neither, a generator is given a solver or steps, the guide does not fit, there is a weight and no
        guide, or the count is below 1.
    """
    if autoguidance is not None and guide is None:
        raise InputError(f"autoguidance {autoguidance:g}: is the weight of a guide, and there is none; give guide")
    if count < 1 or batch < 1:
        raise InputError(f"count {count}, batch {batch}: expected at least 1 of each")
    if prior is None:
        prior = priors.load_prior(GENERATION, "generator")
    given = prior if isinstance(prior, Prior) else priors.load_prior(prior)
    chosen = sampled_by(_that_generates(given, network), solver, steps)
    if guide is not None:
        weight = 1.0 if autoguidance is None else autoguidance
        chosen = guided_by(chosen, guide if isinstance(guide, Prior) else Path(guide), weight)
    chosen = chosen.to(resolve_device(device))
    corruption = load_corruption(chosen.path.parent, chosen)
    keys: list[Key] = [(seed, "generate", i) for i in range(count)]
    made = torch.cat([sample_prior(chosen, corruption, keys[i : i + batch]).cpu() for i in range(0, count, batch)])
    return Samples(made.numpy(), corruption.picture(made).numpy(), chosen)


def _that_generates(prior: Prior, network: str | None) -> Prior:
    wanted = ("generator", "teacher") if network is None else (network,)
    if not set(wanted) <= {"generator", "teacher"}:
        raise InputError(f"network {network}: expected generator or teacher")
    for kind in wanted:
        if prior.kind == kind:
            return prior
        if (prior.path.parent / f"{kind}.safetensors").is_file():
            return priors.load_prior(prior.path.parent, kind)
        if kind == "teacher" and prior.of_whole_images:
            return prior
    raise InputError(
        f"{prior.path}: holds a {prior.kind} and no {' or '.join(wanted)} lies beside it, so it cannot generate; "
        "load a run folder that 'rsd-mri train --accel 4' wrote"
    )


def load_images(folder: str | Path, count: int | None = None) -> NDArray[np.complex64]:
    """Combined images of fully sampled scans that `prepare` wrote, [slice, readout, phase_encode], prepared units.

    Raises
    ------
    InputError
        If there are none, or one is undersampled.
    """
    return combined_images(PreparedDataset(folder), count)
