"""The samplers that restore pictures, with the levels that suit these. Nothing here loads torch."""

from rsd_mri.reconstruction.posterior.sampler import named
from rsd_mri.reconstruction.posterior.samplers import Annealing, DiffPIR, Guided, Langevin, Sampler

SIGMA_MAX, LEVELS = 4.0, 40
"""First noise level, eight times the spread of images in [-1, 1], so that what is hidden gets its full spread; and
levels of the samplers that follow the posterior's law."""
FAST_SIGMA_MAX, FAST_LEVELS = 1.0, 20
"""The same of DiffPIR, which has no law to follow; measured in docs/choices.md."""
WIDTH = 1.0
"""Of DiffPIR: the errors of these degradations are closer to white than those of undersampling; docs/choices.md."""

PICTURE_SAMPLERS: dict[str, Sampler] = named(
    DiffPIR(levels=FAST_LEVELS, sigma_max=FAST_SIGMA_MAX, width=WIDTH, noise=1.0, extrapolation=0.0),
    Annealing(levels=LEVELS, sigma_max=SIGMA_MAX, final_noise=False),
    Langevin(levels=LEVELS, sigma_max=SIGMA_MAX),
    Guided(sigma_max=SIGMA_MAX, sigma_min=0.01),
    Guided(
        name="a-dps",
        about="the same without noise of its own, slow",
        stochastic=False,
        sigma_max=SIGMA_MAX,
        sigma_min=0.01,
    ),
)
"""From far above the images down to what eight bits show: nothing is known where pixels are missing."""
