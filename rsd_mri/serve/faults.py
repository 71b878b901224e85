"""Sentences for what goes wrong: those of bad input as they are, others without what they were about."""

from rsd_mri.errors import InputError
from rsd_mri.serve.measurement import SOURCE


def on_fault(error: Exception) -> None:
    """Do nothing; the worker may show a traceback here."""


def plain(error: Exception) -> str:
    """A sentence for what went wrong."""
    return str(error).removeprefix(f"{SOURCE}: ") if isinstance(error, InputError) else fault(error)


def fault(error: Exception) -> str:
    """A sentence for what should not happen; it repeats nothing of the data. The rest goes to `on_fault`."""
    on_fault(error)
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "there is not enough memory"
    return f"a fault of this program ({type(error).__name__})"
