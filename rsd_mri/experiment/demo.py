"""The demonstration: the whole path on simulated brains, no data needed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.about.plain import Json
from rsd_mri.experiment.runs import simulated_data, train_run
from rsd_mri.files.hdf5 import read_hdf5
from rsd_mri.machine.device import resolve_device
from rsd_mri.machine.progress import Progress
from rsd_mri.metrics.image_quality import psnr, ssim
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.priors.prior import Prior, load_prior
from rsd_mri.protocol import Protocol, load_protocol
from rsd_mri.reconstruction.intervals import with_own_interval
from rsd_mri.reconstruction.methods import OF_ONE_FRAME, Method, method_of
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.results.delivery import Delivery, deliver
from rsd_mri.results.figures import write_contact_sheet
from rsd_mri.results.formats import Beside
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.rsd.sampling import generate_file
from rsd_mri.scan.reading import read_scan
from rsd_mri.simulation import simulate_folder
from rsd_mri.training.fabric import TrainOptions

SCAN_MATRIX = 96
"""The demonstration's scan is larger than what the networks were trained on."""


@dataclass
class DemoResult:
    """What the demonstration did."""

    seconds: dict[str, float] = field(default_factory=dict)
    """Time of each step [s]."""
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    """PSNR, SSIM and seconds a slice of each method."""
    generation: dict[str, float] = field(default_factory=dict)
    """Seconds per generated image, teacher and generator."""
    files: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For a person."""
        rows = [f"{name:28} {seconds:7.1f} s" for name, seconds in self.seconds.items()]
        rows.append(f"{'in all':28} {sum(self.seconds.values()):7.1f} s")
        rows.append("")
        rows.append(f"{'method':14} {'PSNR [dB]':>10} {'SSIM':>7} {'s a slice':>10}")
        for name, one in self.figures.items():
            rows.append(f"{name:14} {one['psnr']:10.2f} {one['ssim']:7.3f} {one['seconds']:10.2f}")
        ratio = self.generation["teacher"] / self.generation["generator"]
        rows += [
            "",
            f"one image: teacher {1e3 * self.generation['teacher']:.1f} ms, "
            f"one-step generator {1e3 * self.generation['generator']:.1f} ms, {ratio:.0f} times faster",
            "",
            *self.files,
            "The networks were trained for minutes on a few simulated scans; the figures show that the path works, "
            "not what the method reaches.",
            NOT_FOR_DIAGNOSTIC_USE,
        ]
        return rows

    def as_dict(self) -> dict[str, Json]:
        """For a program."""
        return {
            "seconds": self.seconds,
            "total_seconds": sum(self.seconds.values()),
            "figures": self.figures,
            "seconds_per_image": self.generation,
            "files": self.files,
            "not_for_diagnostic_use": True,
        }


def demo_protocol(fast: bool) -> Protocol:
    """The demonstration's protocol; the fast one trains a smaller network for less long."""
    protocol = load_protocol("demo")
    if not fast:
        return protocol
    return replace(
        protocol,
        data=replace(protocol.data, volumes=8),
        network=replace(protocol.network, channels=8),
        teacher=replace(protocol.teacher, images=1200),
        distillation=replace(protocol.distillation, images=192),
    )


def methods_of(prior: Prior, samples: int) -> dict[str, Method]:
    """Every method once, the slowest last: without a reconstructor `one-step` is the teacher's step once more."""
    found = (method_of(name, prior, samples=samples) for name in reversed(OF_ONE_FRAME))
    once: dict[str, Method] = {}
    for method in found:
        once.setdefault(method.name, method)
    return once


def run_demo(
    out: Path, fast: bool, device: str, seed: int, progress: Progress, log: Callable[[str], None]
) -> DemoResult:
    """Simulate, prepare, train, distil, generate, reconstruct, report.

    Parameters
    ----------
    out
        Folder for everything; a training that was stopped is continued.
    fast
        The short version.
    device, seed
        As everywhere.
    progress
        Told of each step.
    log
        Called with a line when a step is done.
    """
    done = DemoResult()
    protocol = replace(demo_protocol(fast), seed=seed)
    run = out / "run"

    def step(name: str, action: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        value = action()
        done.seconds[name] = time.perf_counter() - begun
        log(f"{name}: {done.seconds[name]:.1f} s")
        return value

    data = step("simulate and prepare", partial(simulated_data, protocol, out, seed, progress.step("simulating")))
    for stage, title in (("teacher", "train the teacher"), ("generator", "distil the generator")):
        step(title, partial(train_run, protocol, run, data, TrainOptions(stage, device=device), progress))
    count = 16 if fast else 32
    for network in ("teacher", "generator"):
        made = step(
            f"generate with the {network}",
            partial(
                generate_file,
                run,
                count,
                network,
                out / f"generated-{network}.h5",
                16,
                0.0,
                device,
                seed,
                progress.step("generating"),
                write_contact_sheet,
            ),
        )
        done.generation[network] = made.seconds_per_image
        done.files += [made.out, made.sheet]

    path = step(
        "simulate a scan at R=4",
        partial(
            simulate_folder,
            out / "scan",
            1,
            2,
            SCAN_MATRIX,
            8,
            protocol.data.noise,
            4.0,
            seed,
            first=10_000,
            plane="axial",
        ),
    )[0]
    scan = PreparedScan.of(read_scan(path))
    with read_hdf5(path) as file:
        reference = file["reconstruction_rss"][()]
    on = resolve_device(device)
    prior = load_prior(run, "teacher").to(on)
    recs: dict[str, Reconstruction] = {}
    for method, chosen in methods_of(prior, 2 if fast else 4).items():
        rec = step(f"reconstruct: {method}", partial(reconstruct_scan, scan, chosen, seed=seed, device=on))
        # Homodyne and POCS have nothing to do where no side of k-space was left out.
        if any(np.array_equal(rec.magnitude, other.magnitude) for other in recs.values()):
            continue
        recs[method] = with_own_interval(rec)
        done.figures[method] = {
            "psnr": psnr(reference, recs[method].magnitude),
            "ssim": ssim(reference, recs[method].magnitude),
            "seconds": float(recs[method].seconds.mean()),
        }
    delivery = Delivery(out / "reconstruction", ("h5", "png", "page"))
    others = [rec for method, rec in recs.items() if method != "posterior"]
    files = step("write files and page", partial(deliver, recs["posterior"], delivery, Beside(others, reference)))
    done.files += [str(f) for f in files]
    return done
