"""Does the student beat its teacher? Both are judged against clean images that no network has seen."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from data_prep import PreparedDataset
from data_prep.images import SOURCES
from rsd_mri import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.corruption.corruption import Corruption, Key
from rsd_mri.corruption.images import scaled
from rsd_mri.corruption.slices import UndersampledSlices
from rsd_mri.diffusion.noise_levels import karras
from rsd_mri.evaluation.judging import CLEAN, MEASURED, SEEN, Judged, judge, table_of
from rsd_mri.evaluation.picture_features import PictureFeatures
from rsd_mri.experiment import corrupted_images, simulated_data, train_run
from rsd_mri.files import written_whole
from rsd_mri.image_sets import combined_images
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
TRUNCATED_AT = 0.2
"""Noise level at which the teacher's sampler is stopped where the data have no noise: that of the published scripts."""

Tell = Callable[[str, float], None]
"""(what is being done, share done)."""


def compare_networks(
    protocol: Protocol, run: Path, data: Data, real: NDArray[Any], count: int, device: torch.device, tell: Tell,
    batch: int = 32,
) -> dict[str, Any]:
    """Generate with teacher (in full, and truncated at the noise of the data) and student, and judge them.

    Against clean images, as in the published figures: a teacher that models measurements is shown to make such, which
    are enlarged where they are smaller. Such a teacher is judged among its own kind too, and all against the
    measurements.

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
        `rows` (a set in a space), `ratio` (student's distance to clean images over the full teacher's),
        `ratio_truncated`, `ratio_seen` (over the teacher's among measurements, where it models them), `speed_up`,
        `proximal` (the student's distance to the measurements), `protocol`.
    """
    teacher, student = (load_prior(run, kind).to(device) for kind in ("teacher", "generator"))
    corruption = load_law(run, student)
    count = min(count, len(real))
    keys: list[Key] = [(protocol.seed, "compare", i) for i in range(count)]
    sigma = float(corruption.draw(keys[: min(count, 64)])[1].median()) or TRUNCATED_AT
    full, truncated, teacher_seconds = _sample_teacher(teacher, corruption, keys, sigma, batch, tell)
    taught = {"teacher": full} | ({} if truncated is None else {"teacher, truncated": truncated})
    made, seconds = timed(
        lambda part: sample_generator(student.denoiser, corruption, part, protocol.distillation.sigma_init),
        keys, batch, device, lambda share: tell("student", share),
    )
    speed = {"teacher": (teacher_seconds, 2 * protocol.sampler.steps - 1), "student": (seconds, 1)}
    tell("judging", 0.0)
    measured, real = _measured(data, count), real[:count]
    taught_large = {name: _enlarged(images, real.shape) for name, images in taught.items()}
    sets = {"measurements": _enlarged(measured, real.shape), **taught_large, "student": made}
    rows = judge(real, sets, speed, CLEAN)
    if corruption.models_measurements:
        rows += judge(_seen(corruption, real), {**taught, "student": _seen(corruption, made)}, space=SEEN)
    again = {name: _observed(corruption, images, keys) for name, images in taught.items()}
    again["student"] = _observed(corruption, _seen(corruption, made), keys)
    rows += judge(measured, again, space=MEASURED)
    distance = {(row.space, row.name): row.frechet for row in rows}

    def ratio(space: str, other: str) -> float | None:
        return distance[space, "student"] / distance[space, other] if (space, other) in distance else None

    return {
        "rows": [asdict(row) for row in rows], "ratio": ratio(CLEAN, "teacher"),
        "ratio_truncated": ratio(CLEAN, "teacher, truncated"), "ratio_seen": ratio(SEEN, "teacher"),
        "proximal": distance[MEASURED, "student"], "speed_up": teacher_seconds / seconds,
        "teacher_seconds_per_image": teacher_seconds, "seconds_per_image": seconds, "images": count,
        "features": PictureFeatures.fit(real).name, "truncated_at": sigma,
        "protocol": protocol.name, "data": f"{protocol.data.source} {'x'.join(map(str, real.shape[-2:]))}", "seed": protocol.seed, "not_for_diagnostic_use": NOT_FOR_DIAGNOSTIC_USE,
    }


def table(found: dict[str, Any]) -> list[str]:
    """Lines that show what `compare_networks` found."""
    lines = table_of([Judged(**row) for row in found["rows"]])
    verdict = "beats" if found["ratio"] < 1 else "does not beat"
    lines.append(f"the student {verdict} its teacher: {found['ratio']:.2f} of its distance to {CLEAN}")
    if found["ratio_truncated"] is not None:
        lines.append(f"{found['ratio_truncated']:.2f} of that of the teacher stopped at {found['truncated_at']:.3g}")
    if found["ratio_seen"] is not None:
        lines.append(f"{found['ratio_seen']:.2f} of the teacher's distance to {SEEN}")
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
        # No image twice: a set of images and their copies has no neighbourhoods.
        return scaled(np.unique(SOURCES[s.source](count, s.matrix, protocol.seed, "held-out"), axis=0))
    prepared = simulated_data(
        protocol, folder, protocol.seed, lambda share: tell("held-out scans", share), first=FIRST_HELD_OUT,
        volumes=-(-count // s.slices), noise=HELD_OUT_NOISE, name="held-out",
    )
    return combined_images(PreparedDataset(prepared), count)


def training_data(protocol: Protocol, run: Path, tell: Tell) -> Data:
    """What a protocol trains on where no data are given."""
    if protocol.corruption.kind != "undersampling":
        return corrupted_images(protocol, None)
    prepared = simulated_data(protocol, run, protocol.seed, lambda share: tell("simulating", share))
    return UndersampledSlices(PreparedDataset(prepared), protocol.mask, protocol.seed, protocol.corruption.shown)


def _measured(data: Data, count: int) -> NDArray[Any]:
    """A^H y of the first measurements."""
    parts = []
    for first in range(0, min(count, len(data)), 64):
        batch = data.batch(range(first, min(first + 64, count, len(data))))
        parts.append(batch.operator.adjoint(batch.y).numpy())
    return np.concatenate(parts)


def _enlarged(images: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Images brought to the size of the clean ones by cubic interpolation, where they are smaller."""
    if images.shape[-2:] == shape[-2:]:
        return images
    size = [int(n) for n in shape[-2:]]
    return interpolate(torch.from_numpy(images), size, mode="bicubic", align_corners=False).numpy()


def _seen(corruption: Corruption, images: NDArray[Any]) -> NDArray[Any]:
    """Images in the teacher's space."""
    return np.asarray(corruption.to_teacher(torch.from_numpy(images).to(corruption.dtype)).numpy())


def _observed(corruption: Corruption, images: NDArray[Any], keys: list[Key]) -> NDArray[Any]:
    """A^H y of images of the teacher's space, corrupted by operators and noise that no network was told of."""
    parts = []
    for first in range(0, len(images), 64):
        chosen = [(*k, "again") for k in keys[first : first + 64]]
        batch = corruption.observe(torch.from_numpy(images[first : first + 64]), chosen)
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
