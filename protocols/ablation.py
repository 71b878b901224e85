"""What each part of the teacher gives: one part changed at a time, the training as long, the seeds the same.

Run with: python protocols/ablation.py FOLDER [SEED ...]

Simulated heads of 32x32 at R = 4 (`mini-mri-r4`, noise 0.03). Every teacher's samples, in full and stopped at the noise
of the data, against clean images that no network has seen; what was trained in the folder already is not trained again.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rsd_mri.bench.comparison import held_out_images, training_data
from rsd_mri.corruption.corruption import Key
from rsd_mri.experiment.generated import measured
from rsd_mri.experiment.runs import simulated_data, train_run
from rsd_mri.files import write_json
from rsd_mri.machine.progress import SILENT
from rsd_mri.metrics.judging import CLEAN, Judged, judge
from rsd_mri.priors.prior import Prior, data_corruption, load_prior
from rsd_mri.protocol import Protocol, load_protocol
from rsd_mri.rsd.generator import sample_teacher
from rsd_mri.training.fabric import TrainOptions

BASE, IMAGES, NOISE, COUNT = "mini-mri-r4", 24_000, 0.03, 512
KEYS: list[Key] = [("ablation", i) for i in range(COUNT)]
VARIANTS: dict[str, dict[str, str]] = {
    "as it is": {},
    "shown the adjoint": {"corruption.shown": "adjoint"},
    "sigma_hidden 0": {"teacher.sigma_hidden": "0"},
    "sigma_hidden 0.3": {"teacher.sigma_hidden": "0.3"},
    "levels clamped at the noise": {"teacher.noise_law": "clamped"},
    "consistency 1": {"teacher.consistency": "1"},
}


def recipe(seed: int, values: dict[str, str]) -> Protocol:
    """The protocol of a variant, without a judge, so that all are trained on the same and for as long."""
    fixed = {"teacher.images": str(IMAGES), "data.noise": str(NOISE), "monitor.cost": "0", "seed": str(seed)}
    return load_protocol(BASE).with_values({**fixed, **values})


def sampled(teacher: Prior, folder: Path, last: float) -> np.ndarray[Any, Any]:
    """Samples down to a noise level."""
    law = data_corruption(folder, teacher)
    settings = replace(teacher.protocol.sampler, sigma_min=last)
    parts = [KEYS[first : first + 64] for first in range(0, COUNT, 64)]
    return torch.cat([sample_teacher(teacher.denoiser, law, part, settings) for part in parts]).numpy()


def rows(folder: Path, seed: int) -> Iterator[tuple[str, float, list[Judged]]]:
    """Name, error on what the teacher is not shown, and the judged samples of every variant."""
    base = recipe(seed, {})
    real = held_out_images(base, folder, COUNT, SILENT)
    data = simulated_data(base, folder, seed, SILENT)
    yield "the data", float("nan"), judge(real, {"zero-filled": measured(training_data(base, folder, SILENT), COUNT)})
    for number, (name, values) in enumerate(VARIANTS.items()):
        run = folder / f"variant-{number}"
        train_run(recipe(seed, values), run, data, TrainOptions("teacher"))
        teacher = load_prior(run, "teacher")
        sets = {
            "in full": sampled(teacher, run, 0.002),
            "stopped": sampled(teacher, run, float(data_corruption(run, teacher).draw(KEYS[:64])[1].median())),
        }
        yield name, teacher.card.floor, judge(real, sets, space=CLEAN)


def main(folder: Path, seeds: list[int]) -> None:
    """Write `ablation.json`, and print the table."""
    found = []
    for seed in seeds:
        for name, hidden, judged in rows(folder / f"seed-{seed}", seed):
            for row in judged:
                found.append(
                    {
                        "seed": seed,
                        "variant": name,
                        "hidden_error": hidden,
                        "samples": row.name,
                        "frechet": row.frechet,
                        "interval": row.interval,
                        "precision": row.precision,
                        "recall": row.recall,
                    }
                )
                print(seed, name, f"{hidden:.4f}", row.line(), flush=True)  # noqa: T201
            write_json(folder / "ablation.json", found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(value) for value in sys.argv[2:]] or [0])
