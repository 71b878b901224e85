"""What training acts on: slices, crops, patches and images."""
