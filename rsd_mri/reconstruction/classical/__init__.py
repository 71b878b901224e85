"""Reconstruction without learning."""
