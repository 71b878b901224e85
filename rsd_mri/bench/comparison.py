"""Does the student beat its teacher? Both are judged against clean images that no network has seen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from data_prep import PreparedDataset
from data_prep.images import SOURCES
from rsd_mri.bench.bench import CARD
from rsd_mri.bench.cards import ComparisonCard
from rsd_mri.datasets.images import scaled
from rsd_mri.experiment.generated import enlarged, generate_sets, in_teacher_space, measured
from rsd_mri.experiment.image_sets import combined_images
from rsd_mri.experiment.runs import corrupted_images, measured_slices, simulated_data, train_run
from rsd_mri.files import write_json
from rsd_mri.machine.device import resolve_device
from rsd_mri.machine.evenly import evenly
from rsd_mri.machine.progress import Progress
from rsd_mri.metrics.judging import CLEAN, MEASURED, SEEN, judge
from rsd_mri.metrics.likeness import FEWEST, likeness
from rsd_mri.metrics.picture_features import PictureFeatures
from rsd_mri.protocol import Protocol
from rsd_mri.rsd.data import Data
from rsd_mri.training.fabric import TrainOptions

FIRST_HELD_OUT = 100_000
"""Number of the first simulated case that no training uses."""
TRAINING = "training images"
"""Name of the set of clean images behind the training."""
HELD_OUT_NOISE = 1e-3
"""Noise of the held-out scans over the brightest tissue: small, but a scale can be found from it."""


def compare_networks(
    protocol: Protocol,
    run: Path,
    data: Data,
    real: NDArray[Any],
    known: NDArray[Any],
    count: int,
    device: torch.device,
    progress: Progress,
) -> ComparisonCard:
    """Generate with teacher (in full, and truncated at the noise of the data) and student, and judge them.

    Against clean images, as in the published figures: a teacher that models measurements is shown to make such, which
    are enlarged where they are smaller. Such a teacher is judged among its own kind too, and all against the
    measurements. The clean images behind the training are judged beside them: as near as a set of so many can come. Of
    the student's it is said, too, whether they are told apart from clean ones, are copies, and what they never show.

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
    known
        The clean images behind the training, which no network saw.
    count
        Images per set; at most as many as there are real ones.
    device
        Where to compute.
    progress
        Told of each step.

    Returns
    -------
    ComparisonCard
        What was found, of a run whose length is not known here.
    """
    count = min(count, len(real))
    made = generate_sets(protocol, run, count, device, progress)
    progress.step("judging")(0.0)
    real, taught, given = real[:count], made.taught, measured(data, count)
    speed = {
        "teacher": (made.teacher_seconds, protocol.sampler.calls),
        "student": (made.student_seconds, 1),
    }
    large = {name: enlarged(images, real.shape) for name, images in {"measurements": given, **taught}.items()}
    others = known[evenly(len(known), count)]
    rows = judge(real, {**large, "student": made.student, TRAINING: others}, speed, CLEAN)
    alike = likeness(made.student, real, known, protocol.seed) if min(count, len(made.student)) >= FEWEST else None
    if made.corruption.models_measurements:
        rows += judge(
            in_teacher_space(made.corruption, real), {**taught, "student": made.in_teacher_space()}, space=SEEN
        )
    rows += judge(given, made.corrupted_again(), space=MEASURED)
    distance = {(row.space, row.name): row.frechet for row in rows}

    def ratio(space: str, other: str) -> float | None:
        return distance[space, "student"] / distance[space, other] if (space, other) in distance else None

    return ComparisonCard(
        protocol.name,
        tuple(rows),
        distance[CLEAN, "student"] / distance[CLEAN, "teacher"],
        ratio(CLEAN, "teacher, truncated"),
        ratio(SEEN, "teacher"),
        distance[MEASURED, "student"],
        made.teacher_seconds / made.student_seconds,
        made.teacher_seconds,
        made.student_seconds,
        count,
        PictureFeatures.fit(real).name,
        made.truncated_at,
        f"{protocol.data.source} {'x'.join(map(str, real.shape[-2:]))}",
        protocol.seed,
        alike,
    )


def held_out_images(protocol: Protocol, folder: Path, count: int, progress: Progress) -> NDArray[Any]:
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
        protocol,
        folder,
        protocol.seed,
        progress.step("held-out scans"),
        first=FIRST_HELD_OUT,
        volumes=-(-count // s.slices),
        noise=HELD_OUT_NOISE,
        name="held-out",
    )
    return combined_images(PreparedDataset(prepared), count)


def training_images(protocol: Protocol, run: Path, progress: Progress) -> NDArray[Any]:
    """The clean images behind the training of a protocol's run where no data are given; shapes of `held_out_images`."""
    s = protocol.data
    if protocol.corruption.kind != "undersampling":
        return scaled(np.unique(SOURCES[s.source](s.volumes * s.slices, s.matrix, protocol.seed, "train"), axis=0))
    return combined_images(PreparedDataset(simulated_data(protocol, run, protocol.seed, progress.step("simulating"))))


def training_data(protocol: Protocol, run: Path, progress: Progress) -> Data:
    """What a protocol trains on where no data are given."""
    if protocol.corruption.kind != "undersampling":
        return corrupted_images(protocol, None)
    prepared = simulated_data(protocol, run, protocol.seed, progress.step("simulating"))
    return measured_slices(protocol, PreparedDataset(prepared))


def run_comparison(
    protocol: Protocol, out: Path, count: int, options: TrainOptions, progress: Progress
) -> ComparisonCard:
    """Walk the whole path of a protocol without data: train, distil, generate, judge; write `card.json`.

    Parameters
    ----------
    protocol
        The recipe.
    out
        The run folder; a run that was stopped is continued.
    count
        Images per set.
    options
        How to train.
    progress
        Told of each step.

    Returns
    -------
    ComparisonCard
        As `compare_networks`, with the folder and the training's length.
    """
    trained = train_run(protocol, out, None, options, progress)
    real = held_out_images(protocol, out, count, progress)
    data, known = training_data(protocol, out, progress), training_images(protocol, out, progress)
    found = compare_networks(protocol, out, data, real, known, count, resolve_device(options.device), progress)
    card = replace(
        found,
        out=str(out),
        trained_now=trained.images,
        trained_images={"teacher": protocol.taught[0], "student": protocol.distillation.images},
    )
    write_json(out / CARD, card.as_dict())
    return card
