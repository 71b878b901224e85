"""rsd-mri: generative models for multi-coil MRI, learned from undersampled and noisy scans only.

Research software. Not for diagnostic use.
"""

__version__ = "0.1.0"
NOT_FOR_DIAGNOSTIC_USE = "Research use only. Not for diagnostic use."
