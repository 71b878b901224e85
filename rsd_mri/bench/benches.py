"""Every bench by its name."""

from rsd_mri.bench.bench import Bench
from rsd_mri.bench.experiments import EXPERIMENTS
from rsd_mri.bench.lesions import LesionsBench
from rsd_mri.bench.linear import LinearBench
from rsd_mri.bench.recon import ReconBench
from rsd_mri.bench.restore import RestoreBench
from rsd_mri.bench.throughput import ThroughputBench
from rsd_mri.errors import InputError, alike

BENCHES: dict[str, Bench] = {
    one.about.name: one
    for one in (
        LinearBench(),
        ReconBench(),
        LesionsBench(),
        RestoreBench(),
        ThroughputBench(),
        *EXPERIMENTS,
    )
}
"""In the order in which they are listed."""


def find_bench(name: str) -> Bench:
    """Look a bench up.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    if name not in BENCHES:
        raise InputError(f"no bench named '{name}'; 'rsd-mri bench list' lists them{alike(name, list(BENCHES))}")
    return BENCHES[name]
