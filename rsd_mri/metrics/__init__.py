"""Image quality, and distances between sets of images."""
