"""Does the student beat its teacher? Both are judged against clean images that no network has seen."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_prep import PreparedDataset
from data_prep.images import SOURCES
from rsd_mri import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.corruption.corruption import Corruption, Key
from rsd_mri.corruption.images import scaled
from rsd_mri.corruption.slices import UndersampledSlices
from rsd_mri.diffusion.noise_levels import karras
from rsd_mri.evaluation.distribution import PrincipalFeatures, frechet_distance, frechet_interval, precision_recall
from rsd_mri.experiment import corrupted_images, simulated_data, train_run
from rsd_mri.files import written_whole
from rsd_mri.operators import sense_operator
from rsd_mri.protocol import Protocol
from rsd_mri.rsd.data import Data
from rsd_mri.rsd.generator import sample_generator, sample_teacher
from rsd_mri.rsd.prior import Prior, load_law, load_prior
from rsd_mri.rsd.sampling import timed
from rsd_mri.training.fabric import TrainOptions, resolve_device
from rsd_mri.training.loop import Progress

FIRST_HELD_OUT = 100_000
"""Number of the first simulated case that no training uses."""
HELD_OUT_NOISE = 1e-3
"""Noise of the held-out scans over the brightest tissue: small, but a scale can be found from it."""
FEATURES = 64

Tell = Callable[[str, float], None]
"""(what is being done, share done)."""


@dataclass(frozen=True)
class Judged:
    """A set of images against the clean ones."""

    name: str
    images: int
    frechet: float
    """Squared Frechet distance in the feature space."""
    interval: float
    """Half width of its 95 % interval."""
    precision: float
    recall: float
    seconds_per_image: float | None = None
    network_calls: int | None = None

    def line(self) -> str:
        """One row of the table."""
        speed = "" if self.seconds_per_image is None else f"{1000 * self.seconds_per_image:>10.2f}"
        return (
            f"{self.name:<24}{self.images:>7}{self.frechet:>10.3f} +-{self.interval:<7.3f}"
            f"{self.precision:>9.3f}{self.recall:>9.3f}{speed}"
        )


HEADER = f"{'':<24}{'images':>7}{'Frechet':>10}{'':<10}{'precision':>9}{'recall':>9}{'ms/image':>10}"


def judge(
    real: NDArray[Any], sets: dict[str, NDArray[Any]], speed: dict[str, tuple[float, int]] | None = None
) -> list[Judged]:
    """Judge sets of images in the space of the real ones' principal components.

    Parameters
    ----------
    real
        Clean images, [image, y, x] complex or [image, channel, y, x].
    sets
        Name to images of the same size.
    speed
        Name to (seconds per image, network calls), where it is known.
    """
    features = PrincipalFeatures.fit(real, FEATURES)
    reference = features(real)
    rows = []
    for name, images in sets.items():
        found = features(images)
        precision, recall = precision_recall(reference, found)
        seconds, calls = (speed or {}).get(name, (None, None))
        rows.append(
            Judged(
                name, len(images), frechet_distance(reference, found), frechet_interval(reference, found),
                precision, recall, seconds, calls,
            )
        )
    return rows


def compare_networks(
    protocol: Protocol, run: Path, data: Data, real: NDArray[Any], count: int, device: torch.device, tell: Tell,
    batch: int = 32,
) -> dict[str, Any]:
    """Generate with teacher (in full, and truncated at the noise of the data) and student, and judge them.

    Truncated samples come from the same trajectories. Times count network and sampler only.

    Parameters
    ----------
    protocol
        Of the run.
    run
        Holds teacher and generator.
    data
        What they were trained on.
    real
        Clean images that were not.
    count
        Images per set; at most as many as there are real ones.
    device
        Where to compute.
    tell
        Told of the progress.
    batch
        Images at a time.

    Returns
    -------
    dict
        `rows` (the sets), `ratio` (student's distance over the full teacher's), `speed_up`, `protocol`.
    """
    teacher, student = (load_prior(run, kind).to(device) for kind in ("teacher", "generator"))
    corruption = load_law(run, student)
    count = min(count, len(real))
    keys: list[Key] = [(protocol.seed, "compare", i) for i in range(count)]
    sigma = float(corruption.draw(keys[: min(count, 64)])[1].median())
    sets: dict[str, NDArray[Any]] = {}
    sets["measurements"] = _measured(data, count)
    full, truncated, teacher_seconds = _sample_teacher(teacher, corruption, keys, sigma, batch, tell)
    # Where the data have another size than the images, so has the teacher; it cannot be judged beside them.
    same = tuple(corruption.image_shape) == tuple(corruption.generator_shape)
    calls = 2 * protocol.sampler.steps - 1
    speed = {"teacher": (teacher_seconds, calls)}
    if same:
        sets["teacher"] = full
        if truncated is not None:
            sets["teacher, truncated"] = truncated
    else:
        sets.pop("measurements")
    made, seconds = timed(
        lambda part: sample_generator(student.denoiser, corruption, part, protocol.distillation.sigma_init),
        keys, batch, device, lambda share: tell("student", share),
    )
    sets["student"], speed["student"] = made, (seconds, 1)
    tell("judging", 0.0)
    rows = judge(real[:count], sets, speed)
    by_name = {row.name: row for row in rows}
    ratio = by_name["student"].frechet / by_name["teacher"].frechet if same else None
    return {
        "rows": [asdict(row) for row in rows], "ratio": ratio, "speed_up": teacher_seconds / seconds,
        "teacher_seconds_per_image": teacher_seconds, "seconds_per_image": seconds, "images": count,
        "features": f"{FEATURES} principal components of the clean images", "truncated_at": sigma,
        "protocol": protocol.name, "seed": protocol.seed, "not_for_diagnostic_use": NOT_FOR_DIAGNOSTIC_USE,
    }


def table(found: dict[str, Any]) -> list[str]:
    """Lines that show what `compare_networks` found."""
    lines = [HEADER, *(Judged(**row).line() for row in found["rows"])]
    if found["ratio"] is not None:
        verdict = "beats" if found["ratio"] < 1 else "does not beat"
        lines.append(f"the student {verdict} its teacher: {found['ratio']:.2f} of its distance")
    lines.append(f"one step is {found['speed_up']:.0f} times faster per image")
    return lines


def held_out_images(protocol: Protocol, folder: Path, count: int, tell: Tell) -> NDArray[Any]:
    """Clean images of a protocol's law that no training sees; simulated scans are stored in the folder.

    Returns
    -------
    ndarray
        [image, readout, phase_encode] complex in prepared units, or [image, channel, y, x] in [-1, 1].
    """
    s = protocol.data
    if protocol.corruption.kind != "undersampling":
        return scaled(SOURCES[s.source](count, s.matrix, protocol.seed, "held-out"))
    prepared = simulated_data(
        protocol, folder, protocol.seed, lambda share: tell("held-out scans", share), first=FIRST_HELD_OUT,
        volumes=-(-count // s.slices), noise=HELD_OUT_NOISE, name="held-out",
    )
    return combined_images(PreparedDataset(prepared), count)


def combined_images(slices: PreparedDataset, count: int) -> NDArray[np.complex64]:
    """A^H y of fully sampled prepared slices, [slice, readout, phase_encode]."""
    images = []
    for i in range(min(count, len(slices))):
        one = slices[i]
        csm = one["csm"] if one["csm"].ndim == 3 else one["csm"][0]
        operator = sense_operator(torch.from_numpy(csm)[None], torch.ones(csm.shape[-1], dtype=torch.bool))
        images.append(operator.adjoint(torch.from_numpy(one["kspace"])[None])[0].numpy())
    return np.stack(images)


def training_data(protocol: Protocol, run: Path, tell: Tell) -> Data:
    """What a protocol trains on where no data are given."""
    if protocol.corruption.kind != "undersampling":
        return corrupted_images(protocol, None)
    prepared = simulated_data(protocol, run, protocol.seed, lambda share: tell("simulating", share))
    return UndersampledSlices(PreparedDataset(prepared), protocol.mask, protocol.seed)


def _measured(data: Data, count: int) -> NDArray[Any]:
    parts = []
    for first in range(0, min(count, len(data)), 64):
        batch = data.batch(range(first, min(first + 64, count, len(data))))
        parts.append(batch.operator.adjoint(batch.y).numpy())
    return np.concatenate(parts)


def _sample_teacher(
    teacher: Prior, corruption: Corruption, keys: list[Key], sigma: float, batch: int, tell: Tell
) -> tuple[NDArray[Any], NDArray[Any] | None, float]:
    settings = teacher.protocol.sampler
    levels = karras(settings.steps, settings.sigma_min, settings.sigma_max, settings.rho).tolist()
    ends = [*levels[1:], 0.0]
    stop = next(i for i, end in enumerate(ends) if end < sigma or end == 0)
    stopped: list[Tensor] = []

    def keep(step: int, estimate: Tensor) -> None:
        if step == stop:
            stopped.append(estimate)

    def sample(part: list[Key]) -> Tensor:
        return sample_teacher(teacher.denoiser, corruption, part, settings, callback=keep)

    device = next(teacher.denoiser.parameters()).device
    full, seconds = timed(sample, keys, batch, device, lambda share: tell("teacher", share))
    # The first batch was sampled twice, to warm up.
    early = torch.cat(stopped[1:]).cpu().numpy() if stop + 1 < len(levels) else None
    return full, early, seconds


def run_comparison(
    protocol: Protocol, out: Path, count: int, device: str, fresh: bool, progress: Progress, tell: Tell
) -> dict[str, Any]:
    """Walk the whole path of a protocol without data: train, distil, generate, judge; write `card.json`.

    Parameters
    ----------
    protocol
        The recipe.
    out
        The run folder; a run that was stopped is continued.
    count
        Images per set.
    device
        As `train` takes it.
    fresh
        Start over.
    progress, tell
        Told of the training, and of the rest.

    Returns
    -------
    dict
        As `compare_networks`, with the `out` folder and the training's length.
    """
    trained = train_run(protocol, out, None, TrainOptions("all", fresh, device), progress)
    real = held_out_images(protocol, out, count, tell)
    found = compare_networks(
        protocol, out, training_data(protocol, out, tell), real, count, resolve_device(device), tell
    )
    lengths = {"teacher": protocol.teacher.images, "student": protocol.distillation.images}
    found |= {"out": str(out), "trained_images": lengths, "trained_now": trained["images"]}
    with written_whole(out / "card.json") as partial:
        partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found
