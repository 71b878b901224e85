"""Corruptions: what stands between the images and the data."""
