"""Posterior samplers: one file each, and the table from which options, help and errors are derived.

Nothing here loads torch before a sampler is run: the command line knows them all at once.
"""

from rsd_mri.reconstruction.posterior.annealing import Annealing as Annealing
from rsd_mri.reconstruction.posterior.diffpir import DiffPIR as DiffPIR
from rsd_mri.reconstruction.posterior.guided import Guided as Guided
from rsd_mri.reconstruction.posterior.langevin import Langevin as Langevin
from rsd_mri.reconstruction.posterior.noise_space import NoiseSpace as NoiseSpace
from rsd_mri.reconstruction.posterior.sampler import Sampler as Sampler
from rsd_mri.reconstruction.posterior.sampler import named

SAMPLERS: dict[str, Sampler] = named(
    DiffPIR(),
    DiffPIR(
        name="few-step",
        about="five levels of DiffPIR near the start, fast",
        levels=5,
        sigma_max=0.05,
        sigma_min=0.015,
        extrapolation=0.8,
    ),
    DiffPIR(
        name="shared",
        about="DiffPIR whose samples part at the last two levels: four in less than the time of two",
        apart=2,
        turned=True,
        longer=0.8,
    ),
    DiffPIR(
        name="varied",
        about="DiffPIR with full noise: images that differ more, in three times the time",
        levels=36,
        noise=1.0,
        extrapolation=0.0,
    ),
    Annealing(),
    Langevin(),
    Guided(),
    Guided(name="a-dps", about="the same without noise of its own, slow", stochastic=False),
    NoiseSpace(),
)
"""Every sampler of scans by its name, with the levels that suit it."""
USUAL = "diffpir"
"""The sampler where none is named."""
