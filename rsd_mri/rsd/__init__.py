"""Restoration Score Distillation: the objectives and the one-step generator."""
