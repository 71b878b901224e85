"""Data that other packages carry, found without loading the packages: nilearn alone takes two seconds."""

from importlib.util import find_spec
from pathlib import Path

from rsd_mri.errors import InputError


def carried(package: str, *names: str) -> Path:
    """The file of these folders and this name in a package.

    Raises
    ------
    InputError
        If the package is not installed, or its release does not carry the file.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder, *names)
        if path.is_file():
            return path
    raise InputError(f"{package} does not carry {'/'.join(names)}; install another release of it (rsd-mri doctor)")
