"""A small reconstruction of an asymmetric object, for everything that shows or exports one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rsd_mri.results.reconstruction import PosteriorPart, PriorUse, Reconstruction


def make(n_slices: int = 3, readout: int = 40, phase_encode: int = 32, method: str = "posterior") -> Reconstruction:
    rng = np.random.default_rng(5)
    magnitude = np.zeros((n_slices, readout, phase_encode), np.float32)
    magnitude[:, readout // 5 : readout // 2, phase_encode // 4 : phase_encode // 3] = 1e-5
    magnitude[:, readout // 5 : readout // 4, phase_encode // 4 : phase_encode // 2] = 2e-5
    magnitude += 1e-7 * rng.random(magnitude.shape, dtype=np.float32)
    posterior = method == "posterior"
    samples = magnitude + 5e-7 * rng.random((4, *magnitude.shape), dtype=np.float32)
    return Reconstruction(
        magnitude=magnitude,
        image=(magnitude * np.exp(1j * np.linspace(-2, 2, phase_encode))).astype(np.complex64),
        csm=np.ones((n_slices, 2, readout, phase_encode), np.complex64),
        method=method,
        source=Path("scan.h5"),
        mask=np.arange(phase_encode) % 2 == 0,
        mask_source="zeros",
        acceleration=2.0,
        residual=np.full(n_slices, 1.02, np.float32),
        sigma=np.full(n_slices, 0.01, np.float32),
        seconds=np.full(n_slices, 0.8),
        title={"posterior": "Posterior mean", "cg-sense": "CG-SENSE", "zero-filled": "Zero-filled"}.get(method, method),
        posterior=PosteriorPart(samples, samples.std(0)) if posterior else None,
        prior=PriorUse("brain.safetensors", "c0ffee" * 10) if posterior else None,
        notes=("one set of maps: the second eigenvalue is below 0.9",) if posterior else (),
        parameters={"steps": 18} if posterior else {},
    )


@pytest.fixture
def a_reconstruction() -> Callable[..., Reconstruction]:
    return make
