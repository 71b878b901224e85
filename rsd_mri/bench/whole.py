"""A whole published experiment on its data: train, distil, generate, and judge as the published figures were found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep import PreparedDataset
from data_prep.images import read_images
from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.about.plain import Json, Row
from rsd_mri.bench.bench import CARD
from rsd_mri.experiment.generated import GeneratedSets, enlarged, generate_sets, measured
from rsd_mri.experiment.image_sets import combined_images, magnitudes, to_bytes
from rsd_mri.experiment.runs import corrupted_images, measured_slices, train_run
from rsd_mri.files import write_json
from rsd_mri.machine.device import resolve_device
from rsd_mri.machine.progress import Progress
from rsd_mri.metrics.features import find_extractor
from rsd_mri.metrics.set_metrics import SetMetrics, compare_sets
from rsd_mri.protocol import Protocol
from rsd_mri.rsd.data import Data
from rsd_mri.training.fabric import TrainOptions

COUNT = 50_000
"""Images per set in the published figures."""
BATCH = 256
"""Images at a time in sampling."""
Scaling = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class WholeCard:
    """What both networks of a whole experiment generate, against its data."""

    protocol: str
    data: str
    judged: Mapping[str, Mapping[str, SetMetrics]]
    """Scale and set to its figures."""
    images: int
    truncated_at: float
    speed_up: float
    teacher_seconds_per_image: float
    seconds_per_image: float
    trained_now: Mapping[str, int]
    seed: int
    out: str

    def rows(self) -> Sequence[Row]:
        """A set on a scale a row."""
        return [
            {"scale": scale, "name": name, **found.as_dict()}
            for scale, sets in self.judged.items()
            for name, found in sets.items()
        ]

    def lines(self) -> list[str]:
        """For a person."""
        lines = []
        for scale, sets in self.judged.items():
            for name, found in sets.items():
                first, *rest = found.lines()
                lines += [f"{name}, {scale}: {first}", *(f"  {line}" for line in rest)]
        return lines

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        judged = {scale: {name: found.as_dict() for name, found in sets.items()} for scale, sets in self.judged.items()}
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            **values,
            "judged": judged,
            "trained_now": dict(self.trained_now),
            "not_for_diagnostic_use": NOT_FOR_DIAGNOSTIC_USE,
        }


def run_whole(
    protocol: Protocol,
    out: Path,
    data: Path,
    count: int,
    options: TrainOptions,
    features: str | None,
    progress: Progress,
) -> WholeCard:
    """Train on the data of an experiment and judge what both networks generate; writes `card.json`.

    Sets of bytes are compared with the clean training set, as published; magnitudes of MR images also as they are,
    unscaled, which is how the published MRI figures were found. `proximal` compares images that were corrupted again
    with the measurements: no clean image enters.

    Parameters
    ----------
    protocol
        The recipe.
    out
        The run folder; a run that was stopped, or trained by `rsd-mri train`, is continued.
    data
        Prepared pictures or scans.
    count
        Images per set.
    options
        How to train.
    features
        As `find_extractor` takes it.
    progress
        Told of each step.

    Returns
    -------
    WholeCard
        Every set on every scale, with intervals and counts.
    """
    trained = train_run(protocol, out, data, options, progress)
    device = resolve_device(options.device)
    clean, corrupted = _clean_and_measured(protocol, data)
    made = generate_sets(protocol, out, count, device, progress, BATCH)
    judged: dict[str, dict[str, SetMetrics]] = {}
    for scale, (reference, sets) in _comparisons(made, clean, measured(corrupted, min(count, len(corrupted)))).items():
        scaling: Scaling = magnitudes if scale == "unscaled" else to_bytes
        real = scaling(reference)
        extractor = find_extractor(features, real, device)
        judged[scale] = {}
        for name, images in sets.items():
            progress.step(f"judging {name}")(0.0)
            judged[scale][name] = compare_sets(scaling(images), real, extractor, device)
    card = WholeCard(
        protocol.name,
        str(data),
        judged,
        count,
        made.truncated_at,
        made.teacher_seconds / made.student_seconds,
        made.teacher_seconds,
        made.student_seconds,
        trained.images,
        protocol.seed,
        str(out),
    )
    write_json(out / CARD, card.as_dict())
    return card


def _comparisons(
    made: GeneratedSets, clean: NDArray[Any], given: NDArray[Any]
) -> dict[str, tuple[NDArray[Any], dict[str, NDArray[Any]]]]:
    """Scale to reference and sets."""
    shape = made.student.shape
    sets = {**{name: enlarged(images, shape) for name, images in made.taught.items()}, "student": made.student}
    found = {"scaled" if np.iscomplexobj(clean) else "bytes": (clean, sets)}
    if np.iscomplexobj(clean):
        found["unscaled"] = (clean, sets)
    return {**found, "proximal": (given, made.corrupted_again())}


def _clean_and_measured(protocol: Protocol, data: Path) -> tuple[NDArray[Any], Data]:
    if protocol.corruption.kind != "undersampling":
        return read_images(data, protocol.data.matrix), corrupted_images(protocol, data)
    scans = PreparedDataset(data)
    return combined_images(scans), measured_slices(protocol, scans)
