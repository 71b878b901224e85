"""Reconstruction with a learned prior."""
