"""Reconstruction by a network unrolled over a few data steps: the posterior mean and its spread in one go."""
