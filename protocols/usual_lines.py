"""What lines left out usually say of the package's sampler: the table beside its prior.

Run with: python protocols/usual_lines.py FOLDER [COUNT [IMAGES.npz ...]]

So many simulated heads under each law of trust_scans.py, of seeds that no other table has, and every image of the
archives under the laws that trust.py does not try it under. No image is reconstructed: samples are drawn without some
acquired lines and compared there, as `recon` does it. A run that was stopped goes on where it was; the table is
FOLDER/usual-lines.json.
"""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from trust_scans import CONTRASTS, LINES, NOISE, POINTS, SEED, SIZE, Law, head, images

from rsd_mri.files import write_json
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.priors.usual_lines import FILE, UsualLines
from rsd_mri.reconstruction.calibration import made_by
from rsd_mri.reconstruction.held_out import settle
from rsd_mri.reconstruction.methods import Method, method_of
from rsd_mri.reconstruction.own_lines import spread_on_own_lines
from rsd_mri.scan.scan import Scan

CPU = torch.device("cpu")
Logs = list[dict[str, NDArray[np.float64]]]
"""Of every law the logarithms of factors by kind of image."""
Said = dict[str, list[float]]
"""Name of a scan to its realised acceleration, and the factor on its own lines where they are enough to tell."""


def scans(laws: tuple[Law, ...], count: int, paths: list[Path]) -> Iterator[tuple[str, Law, Scan]]:
    """Name, law and scan."""
    for number in range(count):
        for law in laws:
            noise = (NOISE, NOISE / 2, 2 * NOISE)[number % 3]
            yield f"simulated {number}", law, head(law, SIZE, SEED + 300, number, CONTRASTS[number % 4], noise)[0]
    for path in paths:
        for number, (name, full, _) in enumerate(images(path)):
            for step in range(1, len(laws)):
                law = laws[(number + step) % len(laws)]
                yield name, law, law.of(full, SEED + 300, path.name, number)


def say(laws: tuple[Law, ...], method: Method, count: int, paths: list[Path], kept: Path) -> dict[Law, Said]:
    """What each scan says; a scan that was looked at before is only looked up."""
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    found: dict[Law, Said] = {law: {} for law in laws}
    for name, law, scan in scans(laws, count, paths):
        full_name = f"{name} {law.name}"
        if full_name not in known:
            prepared = PreparedScan.of(scan)
            settled = settle(method, prepared.middle, full_name, 0, CPU).method if method.candidates() else method
            checks = spread_on_own_lines(settled, prepared.middle, full_name, 0, CPU)
            factor = [checks["own_lines_factor"]] if checks.get("own_lines") else []
            known[full_name] = [scan.realised_acceleration, *factor]
            write_json(kept, known)
            sys.stdout.write(f"{full_name}: {known[full_name]}\n")
            sys.stdout.flush()
        found[law][full_name] = known[full_name]
    return found


def kind_of(name: str) -> str:
    """What is shown: simulated heads, or real images."""
    return "simulated" if name.startswith("simulated") else "real"


def within_of(logs: Logs) -> float:
    """Variance between scans of one law and one kind."""
    groups = [one for law in logs for one in law.values()]
    degrees = sum(map(len, groups)) - len(groups)
    return sum(float(((one - one.mean()) ** 2).sum()) for one in groups) / degrees


def between_of(sampled: list[Logs]) -> float:
    """Variance between the means of kinds, less what differences within them make of so few scans.

    Of all laws together: there are few real images, and how they differ from heads is theirs, however they are sampled.
    """
    found = [
        float(np.var([one.mean() for one in law.values()], ddof=1))
        - within_of(logs) * float(np.mean([1 / len(one) for one in law.values()]))
        for logs in sampled
        for law in logs
        if len(law) > 1
    ]
    return max(float(np.mean(found)) if found else 0.0, 0.0)


def by_kind(found: dict[Law, Said]) -> Logs:
    """Logarithms of the factors, of every law."""
    logs = []
    for said in found.values():
        kinds: dict[str, list[float]] = {}
        for name, one in said.items():
            if len(one) > 1:
                kinds.setdefault(kind_of(name), []).append(math.log(one[1]))
        logs.append({kind: np.array(ones) for kind, ones in kinds.items()})
    return logs


def rows_of(found: dict[Law, Said], logs: Logs, between: float, method: Method) -> list[UsualLines]:
    """A row for each law; the scatter is that of all of them."""
    sampler, levels, network = made_by(method.name, method.parameters(), method.prior)
    realised = [float(np.mean([one[0] for one in said.values()])) for said in found.values()]
    scatter = math.sqrt(within_of(logs) + between)
    along_lines = next(iter(found)).kind == "uniform"
    alike = [np.concatenate(list(law.values())) for law in logs]
    return [
        UsualLines(network, sampler, levels, along_lines, acceleration, math.exp(one.mean()), scatter, len(one))
        for acceleration, one in zip(realised, alike, strict=True)
    ]


def main(folder: Path, count: int, paths: list[Path]) -> None:
    """Write the table."""
    folder.mkdir(parents=True, exist_ok=True)
    method = method_of("posterior")
    found = [say(laws, method, count, paths, folder / "said.json") for laws in (POINTS, LINES)]
    logs = [by_kind(one) for one in found]
    between = between_of(logs)
    rows = [row for one, said in zip(found, logs, strict=True) for row in rows_of(one, said, between, method)]
    write_json(folder / FILE, [asdict(one) for one in rows])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8, [Path(one) for one in sys.argv[3:]])
