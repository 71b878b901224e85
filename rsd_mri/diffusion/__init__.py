"""Preconditioning, noise levels, samplers."""
