"""The protocols that come with the package, and those in files."""

from pathlib import Path

import yaml

from rsd_mri.errors import InputError, alike
from rsd_mri.protocol.protocol import Protocol
from rsd_mri.protocol.reading import build
from rsd_mri.protocol.text import values_of


def protocol_folder() -> Path:
    """Where the protocols lie: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parent.parent
    inside = package / "protocols"
    return inside if inside.is_dir() else package.parent / "protocols"


def protocol_names() -> list[str]:
    """Names of the protocols that come with the package."""
    return sorted(path.stem for path in protocol_folder().glob("*.yaml"))


def load_protocol(name: str | Path) -> Protocol:
    """Read a protocol by name or from a YAML file.

    Raises
    ------
    InputError
        If there is no such protocol, or a value in it does not fit.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = protocol_folder() / f"{name}.yaml"
        if not path.is_file():
            near = alike(str(name), protocol_names())
            raise InputError(f"no protocol named '{name}'; 'rsd-mri protocols' lists them{near}")
    if not path.is_file():
        raise InputError(f"{path}: no such protocol file")
    try:
        values = values_of(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as YAML ({error})") from error
    return build(Protocol, values, path.name)


def protocol_for_acceleration(acceleration: float) -> Protocol:
    """Return the MRI protocol of an acceleration: `mri-r4` for 4.

    Raises
    ------
    InputError
        If the acceleration is below 1, or none has it.
    """
    if acceleration < 1:
        raise InputError(f"--accel {acceleration:g}: an acceleration is at least 1")
    candidates = [load_protocol(name) for name in protocol_names() if name.startswith("mri-r")]
    exact = [p for p in candidates if p.mask.acceleration == acceleration]
    if exact:
        return exact[0]
    names = ", ".join(f"{p.name} ({p.mask.acceleration:g})" for p in candidates)
    raise InputError(
        f"--accel {acceleration:g}: no protocol has this acceleration; there are {names}. "
        f"Take one with --protocol and change it with --set mask.acceleration={acceleration:g}"
    )
