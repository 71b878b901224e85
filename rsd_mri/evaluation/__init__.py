"""Image quality, distances between distributions."""
