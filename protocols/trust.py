"""Does the interval hold on the scan in hand? Three ways to make one, on scans that none of them has seen.

Run with: python protocols/trust.py FOLDER [COUNT [IMAGES.npz ...]]

The nominal 90 % interval of the posterior's mean by the package's calibration (split conformal, on simulated heads) and
with the scan's own lines; and that of a rival: BART's L1-wavelet image, the spread of its repeated reconstructions from
parts of the acquired samples, and split conformal calibration of that spread on heads undersampled alike, as bartorch
does it (not of large scans, which take it minutes each). Covered: share of the body. Width: mean half width over the
90th percentile of the error of the same image. A run that was stopped goes on where it was; what is there is printed.
Reconstructions are kept: where the interval's rule changes, the table is made anew without drawing one sample.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from trust_scans import LARGE_SIZE, SEED, Case, Law, head, image_cases, simulated_cases

from rsd_mri.bench.peers import BARTORCH_ABSENT, all_peers
from rsd_mri.files import write_json
from rsd_mri.machine.randomness import generator
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.reconstruction.classical.made import Made
from rsd_mri.reconstruction.classical.methods import default_regularisation
from rsd_mri.reconstruction.finish import as_operator, finish
from rsd_mri.reconstruction.full_scans import body_of
from rsd_mri.reconstruction.intervals import with_own_interval
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.results.files import write_reconstruction
from rsd_mri.results.reading import read_reconstruction
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.scan.scan import Scan

COVERAGE, NEAR = 0.9, 0.005
"""Wanted; and by how much beyond 85 to 95 % still counts as inside."""
PARTS, CALIBRATED_ON = 8, 3
"""Of the rival: repeated reconstructions, and heads for its factor."""
CPU = torch.device("cpu")
WAYS = {"package": "package's calibration", "own": "own lines", "rival": "bartorch's, of BART L1-wavelet"}
Image = NDArray[np.float32]


def tell(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def row_of(truth: Image, image: Image, half_width: Image | None) -> dict[str, float]:
    """Coverage, width, and the factor on it that would cover what is wanted; nothing where there is no interval."""
    if half_width is None:
        return {}
    body, error = body_of(truth), np.abs(image - truth)
    width = float(half_width[body].mean() / np.quantile(error[body], COVERAGE))
    needed = float(np.quantile(error[body] / np.maximum(half_width[body], 1e-12), COVERAGE))
    return {"covers": float(np.mean(error[body] <= half_width[body])), "width": width, "needed": needed}


def half_width_of(rec: Reconstruction) -> Image | None:
    """Of the first slice."""
    return None if rec.posterior is None or rec.posterior.half_width is None else rec.posterior.half_width[0]


def kept_at(case: Case, folder: Path) -> Path:
    """Where the reconstruction of a scan is kept; what else is, lies beside it."""
    return folder / (f"{case.name} {case.law.name}".replace(" ", "-") + ".h5")


def intervals_of(rec: Reconstruction) -> dict[str, Reconstruction]:
    """The reconstruction with each of our intervals, by the names of `WAYS`."""
    return {"own": with_own_interval(rec), "package": with_own_interval(replace(rec, checks={}))}


def repeated(scan: Scan, key: tuple[str | int, ...]) -> tuple[Image, Image]:
    """BART's L1-wavelet from parts of the samples, again and again: mean and spread, in the scan's unit."""
    from bartorch.learning import moments, split

    one = PreparedScan.of(scan)[0]
    peer = next(peer for peer in all_peers() if peer.name == "BART L1-wavelet")
    operator, kspace = as_operator([one], CPU)
    weight = float(default_regularisation(peer.penalty, operator, kspace, one.sigma))
    rng, pattern = generator(*key, "parts"), torch.from_numpy(one.mask).float()

    def reconstruct() -> torch.Tensor:
        kept, _ = split(pattern, keep=one.acs[-pattern.ndim :], generator=rng)
        part = replace(one, kspace=one.kspace * kept.numpy(), mask=kept.numpy() > 0)
        return torch.from_numpy(np.ascontiguousarray(peer.run(part, weight)[0]))

    mean, variance = moments(reconstruct, PARTS)
    made = finish(one, Made(mean[None], variance.sqrt()[None]), 0.0)
    return made.magnitude, made.std if made.std is not None else np.zeros_like(made.magnitude)


def rival_factor(folder: Path, law: Law, size: tuple[int, int]) -> float:
    """Its split conformal factor on heads undersampled alike; kept in the folder."""
    from bartorch.learning import calibrate

    path = folder / f"rival-{law.kind}-{law.acceleration:g}-{size[0]}.json"
    if not path.is_file():
        errors, spreads = [], []
        for number in range(CALIBRATED_ON):
            scan, truth = head(law, size, SEED + 900, number, ("T2", "T1", "FLAIR")[number % 3])
            mean, spread = repeated(scan, (SEED, "rival", number))
            body = body_of(truth[0])
            errors.append(torch.from_numpy(mean - truth[0])[body])
            spreads.append(torch.from_numpy(spread)[body])
        write_json(path, calibrate(torch.cat(errors), torch.cat(spreads), COVERAGE))
    return float(json.loads(path.read_text(encoding="utf-8")))


def measure(case: Case, folder: Path, rival: bool) -> dict[str, Any]:
    """Try each interval on one scan; reconstruct it, and let the rival, where that was not done before."""
    kept = kept_at(case, folder)
    path = kept.with_name(kept.name.removesuffix(".h5"))
    rivals = path.with_name(path.name + ".json")
    made = None if kept.is_file() and rivals.is_file() else case.make()
    if not kept.is_file():
        scan, _ = made or case.make()
        write_reconstruction(kept, reconstruct_scan(scan, method_of("posterior")))
    rec = read_reconstruction(kept)
    if not rivals.is_file():
        scan, truth = made or case.make()
        found = {}
        if rival and scan.trajectory is None and case.size != LARGE_SIZE:
            mean, spread = repeated(scan, (SEED, case.name))
            found = row_of(truth[0], mean, rival_factor(folder, case.law, case.size) * spread)
        np.save(path.with_name(path.name + ".npy"), truth[0])
        write_json(rivals, found)
    truth = np.load(path.with_name(path.name + ".npy"), allow_pickle=False)
    values: dict[str, Any] = {"factor": rec.checks.get("own_lines_factor"), "rival": json.loads(rivals.read_text())}
    for name, one in intervals_of(rec).items():
        values[name] = row_of(truth, rec.magnitude[0], half_width_of(one))
        if "half_width_within" in one.checks:
            values[name]["within"] = one.checks["half_width_within"]
    return values


def rows(cases: Iterable[Case], folder: Path, rival: bool) -> list[tuple[Case, dict[str, Any]]]:
    """Each told as it is measured."""
    found = []
    for case in cases:
        found.append((case, measure(case, folder, rival)))
        tell(line_of(*found[-1]))
    return found


def line_of(case: Case, values: dict[str, Any]) -> str:
    """A row of the table."""
    cells = ["too few" if values["factor"] is None else f"{values['factor']:.1f}"]
    for way in WAYS:
        one = values.get(way)
        cells.append(f"{one['covers']:.0%}, {one['width']:.2f}" if one else "")
    said = values["own"].get("within")
    cells.append("" if said is None else f"{values['own']['needed']:.2f}, {said:.1f}")
    name = f"{case.name}, {case.size[0]}x{case.size[1]}"
    return f"| {name} | {case.law.name} | {' | '.join(cells)} |"


def summary(found: list[tuple[Case, dict[str, Any]]]) -> list[str]:
    """How often each way is within 85 to 95 %, and how wide on average."""
    said = []
    for way, title in WAYS.items():
        there = [values[way] for _, values in found if values.get(way)]
        inside = sum(0.85 - NEAR <= one["covers"] <= 0.95 + NEAR for one in there)
        if there:
            width = np.median([one["width"] for one in there])
            below = sum(one["covers"] < 0.85 - NEAR for one in there)
            said.append(f"{title}: {inside} of {len(there)} within 85 to 95 %, {below} below; median width {width:.2f}")
    known = [values["own"] for _, values in found if "within" in values["own"]]
    held = sum(1 / one["within"] <= one["needed"] <= one["within"] for one in known)
    if known:
        said.append(
            f"own lines: in {held} of {len(known)} the width is off by no more than was said (90 % are expected)"
        )
    return said


def main(folder: Path, count: int, paths: list[Path]) -> None:
    """Print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    tell(f"| scan | law | error over spread on own lines | {' | '.join(WAYS.values())} | needed over own, said |")
    tell("| --- | --- | --- | --- | --- | --- | --- |")
    cases = [*simulated_cases(count=count), *(case for path in paths for case in image_cases(path))]
    kinds = dict.fromkeys((case.law.kind, case.size, case.name.split()[0] == "simulated") for case in cases)
    groups = [[c for c in cases if (c.law.kind, c.size, c.name.split()[0] == "simulated") == kind] for kind in kinds]
    # One of each in turn: a run that is stopped has tried a little of everything.
    turns = [case for turn in zip_longest(*groups) for case in turn if case is not None]
    found = rows(turns, folder, not BARTORCH_ABSENT)
    tell("")
    for line in summary(found):
        tell(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20, [Path(one) for one in sys.argv[3:]])
