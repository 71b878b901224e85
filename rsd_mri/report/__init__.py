"""Figures and the page a radiologist opens."""
