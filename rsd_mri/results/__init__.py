"""Reconstructions, and every form in which they are handed out."""
