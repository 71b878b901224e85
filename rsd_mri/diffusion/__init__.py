"""Preconditioning, noise levels, samplers."""

from rsd_mri.diffusion.denoiser import Condition as Condition
from rsd_mri.diffusion.denoiser import Denoiser as Denoiser
from rsd_mri.diffusion.samplers import heun as heun
from rsd_mri.diffusion.samplers import multistep as multistep
