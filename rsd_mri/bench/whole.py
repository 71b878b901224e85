"""A whole published experiment on its data: train, distil, generate, and judge as the published figures were found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep import PreparedDataset
from data_prep.images import read_images
from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.experiment.generated import GeneratedSets, enlarged, generate_sets, measured
from rsd_mri.experiment.image_sets import combined_images, magnitudes, to_bytes
from rsd_mri.experiment.runs import corrupted_images, measured_slices, train_run
from rsd_mri.files import written_whole
from rsd_mri.machine.device import resolve_device
from rsd_mri.metrics.features import find_extractor
from rsd_mri.metrics.set_metrics import SetMetrics, compare_sets
from rsd_mri.progress import Progress
from rsd_mri.protocol import Protocol
from rsd_mri.rsd.data import Data
from rsd_mri.training.fabric import TrainOptions

COUNT = 50_000
"""Images per set in the published figures."""
Scaling = Callable[[NDArray[Any]], NDArray[Any]]


def run_whole(
    protocol: Protocol, out: Path, data: Path, count: int, options: TrainOptions, features: str | None,
    progress: Progress, batch: int = 256,
) -> dict[str, Any]:
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
    batch
        Images at a time in sampling.

    Returns
    -------
    dict
        `judged`: scale and set to its figures, with intervals and counts.
    """
    trained = train_run(protocol, out, data, options, progress)
    device = resolve_device(options.device)
    clean, law = _clean_and_measured(protocol, data)
    made = generate_sets(protocol, out, count, device, progress, batch)
    judged: dict[str, dict[str, Any]] = {}
    lines = []
    for scale, (reference, sets) in _comparisons(made, clean, measured(law, min(count, len(law)))).items():
        scaling: Scaling = magnitudes if scale == "unscaled" else to_bytes
        real = scaling(reference)
        extractor = find_extractor(features, real, device)
        judged[scale] = {}
        for name, images in sets.items():
            progress.step(f"judging {name}")(0.0)
            found: SetMetrics = compare_sets(scaling(images), real, extractor, device)
            judged[scale][name] = found.as_dict()
            lines += [f"{name}, {scale}: {found.lines()[0]}", *(f"  {line}" for line in found.lines()[1:])]
    card = {
        "protocol": protocol.name, "data": str(data), "judged": judged, "images": count, "lines": lines,
        "truncated_at": made.truncated_at, "speed_up": made.teacher_seconds / made.student_seconds,
        "teacher_seconds_per_image": made.teacher_seconds, "seconds_per_image": made.student_seconds,
        "trained_now": trained["images"], "seed": protocol.seed, "out": str(out),
        "not_for_diagnostic_use": NOT_FOR_DIAGNOSTIC_USE,
    }
    with written_whole(out / "card.json") as partial:
        partial.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
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
