"""Networks that come with the package; a card lies beside each."""

from pathlib import Path

PRIORS = Path(__file__).parent
RECONSTRUCTION = PRIORS / "brain-r4"
"""Teacher and denoiser of whole scans."""
GENERATION = PRIORS / "brain64-r4"
"""A one-step generator, and coil maps to generate with."""
