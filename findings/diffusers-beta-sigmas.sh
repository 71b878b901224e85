#!/usr/bin/env bash
# diffusers 0.42.1: `use_beta_sigmas=True` is said to be the schedule of "Beta Sampling is All You Need" (arXiv 2407.12173), which takes the timesteps
# from the quantiles of a Beta distribution. It takes the noise levels from them, between the least and the largest: of 20 levels from 157 down to 0.01
# one alone, the least, is below 1 (five of the default's), and the one before it is 2. With the exact denoiser of Gaussian images the samples of
# `EulerDiscreteScheduler` have then a quarter of the spread of the images (0.87 by default), those of `DPMSolverMultistepScheduler` 0.6 of it with 20
# steps and 1.3 with 50 (0.95 and 0.99). The quantiles of the timesteps, given as `timesteps=`, do as well as any other schedule. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile "diffusers==0.42.1" "torch==2.13.0" "scipy==1.15.3" "numpy==2.2.6"
export OMP_NUM_THREADS=1
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler
from scipy.stats import beta

print("diffusers", version("diffusers"))
STD, SAMPLES = 0.5, 20000  # images are pixels from N(0, STD ** 2)
torch.manual_seed(0)


def spread(scheduler):
    """Standard deviation of samples over that of the images, with the exact denoiser."""
    x = torch.randn(SAMPLES, 1, 1, 1, dtype=torch.float64) * float(scheduler.init_noise_sigma)
    for index, t in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(x, t)
        share = 1 / (1 + scheduler.sigmas[index].double() ** 2)  # alpha bar: scaled = sqrt(share) image + sqrt(1 - share) noise
        image = share.sqrt() * STD**2 / (share * STD**2 + 1 - share) * scaled
        noise = (scaled - share.sqrt() * image) / (1 - share).sqrt()
        x = scheduler.step(noise, t, x).prev_sample
    return float(x.std()) / STD


def of_timesteps(kind, steps):
    """The paper's: quantiles of Beta(0.6, 0.6), diffusers' parameters, times the last timestep."""
    scheduler = kind()
    quantiles = beta.ppf(np.linspace(1, 0, steps), 0.6, 0.6)
    scheduler.set_timesteps(timesteps=np.round(quantiles * (scheduler.config.num_train_timesteps - 1)).astype(int).tolist())
    return scheduler


for kind in (EulerDiscreteScheduler, DPMSolverMultistepScheduler):
    for steps in (20, 50):
        schedulers = {
            "default": kind(),
            "Karras": kind(use_karras_sigmas=True),
            "exponential": kind(use_exponential_sigmas=True),
            "beta": kind(use_beta_sigmas=True),
        }
        for scheduler in schedulers.values():
            scheduler.set_timesteps(steps)
        schedulers["beta of timesteps"] = of_timesteps(kind, steps)
        found = {}
        for name, scheduler in schedulers.items():
            levels = scheduler.sigmas[:-1]
            found[name] = spread(scheduler)
            print(
                f"{kind.__name__}, {steps} steps, {name}: {int((levels < 1).sum())} levels below 1, "
                f"the two least {levels[-2]:.3g} and {levels[-1]:.3g}; samples have {found[name]:.2f} of the spread"
            )
        away = {name: abs(value - 1) for name, value in found.items()}
        others = max(value for name, value in away.items() if name != "beta")
        assert away["beta"] > 2 * others and away["beta"] > 0.25, "the schedule is another one now"
        assert others < (0.2 if kind is EulerDiscreteScheduler else 0.12)
PY
