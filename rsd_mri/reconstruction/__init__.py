"""From measured k-space to images: classical, posterior sampling, one-step."""
