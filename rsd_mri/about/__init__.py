"""What every output says of the package: its version, and what it is not for."""

__version__ = "0.1.0"
NOT_FOR_DIAGNOSTIC_USE = "Research use only. Not for diagnostic use."
