"""The package that carries the server to a scanner's console: its label, Dockerfile, manual and build script.

Label: OpenRecon's schema 1.1.0. Nothing here needs docker; the build script does.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.about.plain import Json
from rsd_mri.errors import InputError
from rsd_mri.files import written_whole
from rsd_mri.reconstruction.methods import OF_ONE_FRAME
from rsd_mri.serve.openrecon_texts import BUILD, DOCKERFILE, MANUAL
from rsd_mri.serve.settings import AS_CONFIGURED, MOST_SAMPLES, PIXELS

NAME = "rsd-mri"
PORT = 9002
MEMORY_MB = 3072
"""The process took 1.5 GiB for a posterior of 320x320 pixels, 8 coils and 4 samples, and as much for 384x384 pixels, 32
coils and one sample; the k-space of the measurement comes on top, up to three times."""
CORES = 2
LABEL = "com.siemens-healthineers.magneticresonance.openrecon.metadata:1.1.0"


@dataclass(frozen=True)
class Package:
    """What is written."""

    vendor: str = "research"
    method: str = "posterior"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}", self.vendor):
            raise InputError(f"--vendor {self.vendor}: expected letters, digits and hyphens, which name a file")

    @property
    def file_name(self) -> str:
        """Of the archive, without its ending."""
        return f"OpenRecon_{self.vendor}_{NAME}_V{semantic_version(__version__)}"


def semantic_version(version: str) -> str:
    """A version of Python's kind as a semantic one: 0.2.0rc1 is 0.2.0-rc1."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?\.?(.*)", version)
    if found is None:
        return "0.0.0"
    major, minor, patch, rest = found.groups()
    rest, _, local = rest.partition("+")
    tail = (f"-{rest}" if rest else "") + (f"+{local}" if local else "")
    return f"{int(major)}.{int(minor)}.{int(patch or 0)}{tail}"


def label(package: Package) -> dict[str, Json]:
    """The label: what the console shows, and what it needs to run the image."""
    version = semantic_version(__version__)
    return {
        "general": {
            "name": {"en": NAME},
            "version": version,
            "vendor": package.vendor,
            "information": {"en": f"Posterior images with uncertainty. {NOT_FOR_DIAGNOSTIC_USE}"},
            "id": NAME,
            "regulatory_information": {
                "device_trade_name": NAME, "production_identifier": version, "manufacturer_address": "", "made_in": "",
                "manufacture_date": "", "material_number": f"{NAME}_{version}", "gtin": "", "udi": "",
                "safety_advices": NOT_FOR_DIAGNOSTIC_USE, "special_operating_instructions": "",
                "additional_relevant_information": "No medical device. For research only.",
            },
        },
        "reconstruction": {
            "transfer_protocol": {"protocol": "ISMRMRD", "version": "1.4.1"},
            "port": PORT,
            "emitter": "raw",
            "injector": "image",
            "can_process_adjustment_data": True,
            "can_use_gpu": False,
            "min_count_required_gpus": 0,
            "min_required_gpu_memory": 0,
            "min_required_memory": MEMORY_MB,
            "min_count_required_cpu_cores": CORES,
            "content_qualification_type": "RESEARCH",
        },
        "parameters": [one.as_dict() for one in parameters(package.method)],
    }  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """What the console lets a user choose."""

    kind: str
    name: str
    label: str
    information: str
    default: str | int | bool
    values: Mapping[str, str] = field(default_factory=dict)
    """Of a choice: each with what is shown of it."""
    minimum: int = 0
    maximum: int = 0
    """Of a whole number."""

    def as_dict(self) -> dict[str, Json]:
        """As the label holds it."""
        texts = {"label": {"en": self.label}, "information": {"en": self.information}}
        limits = {"minimum": self.minimum, "maximum": self.maximum} if self.kind == "int" else {}
        values: Json = [{"id": name, "name": {"en": shown}} for name, shown in self.values.items()]
        choice: dict[str, Json] = {"values": values} if self.kind == "choice" else {}
        return {"type": self.kind, "id": self.name, **texts, **limits, "default": self.default, **choice}

    def range(self) -> str:
        """For the manual."""
        if self.kind == "int":
            return f"{self.minimum} to {self.maximum}, {self.default}"
        if self.kind == "choice":
            return ", ".join(f"**{name}**" if name == self.default else name for name in self.values if name)
        return str(self.default) if self.kind == "boolean" else "text"


def parameters(method: str) -> list[Parameter]:
    """All of them; the first chooses the method."""
    methods = {name: f"{name}: {about}" for name, about in OF_ONE_FRAME.items()}
    return [
        Parameter("choice", "config", "Reconstruction", "What is sent beside the classical image", method,
            {**methods, "null": "nothing: no images"}),
        Parameter("string", "customconfig", "Other name", "A configuration by its name; wins over the choice", ""),
        Parameter("choice", "method", "Method", "Wins over the reconstruction chosen above", AS_CONFIGURED,
            {AS_CONFIGURED: "as chosen above", **methods}),
        Parameter("int", "samples", "Samples", "Posterior samples; time grows with them", 4,
            minimum=1, maximum=MOST_SAMPLES),
        Parameter("int", "seed", "Seed", "Of the samples", 0, maximum=2**31 - 1),
        Parameter("choice", "pixels", "Pixels", "How values are stored", PIXELS[0], {name: name for name in PIXELS}),
        Parameter("boolean", "preview", "Classical image", "Send it first", True),
        Parameter("boolean", "uncertainty", "Uncertainty", "Send standard deviation and interval", True),
        Parameter("boolean", "sendsamples", "Samples as images", "Send every sample as a series of its own", False),
    ]  # fmt: skip


def files_of(package: Package) -> dict[str, bytes]:
    """Name and content of each file."""
    text = (json.dumps(label(package), indent=2) + "\n").encode()
    words = {
        "version": __version__, "semver": semantic_version(__version__), "vendor": package.vendor, "name": NAME,
        "label": LABEL, "encoded": base64.b64encode(text).decode(), "port": str(PORT), "memory": str(MEMORY_MB),
        "cores": str(CORES), "method": package.method, "archive": package.file_name, "use": NOT_FOR_DIAGNOSTIC_USE,
        "parameters": "\n".join(
            f"| `{one.name}` | {one.label} | {one.range()} | {one.information} |"
            for one in parameters(package.method)
        ),
    }  # fmt: skip

    def filled(template: str) -> bytes:
        return re.sub(r"@(\w+)@", lambda match: words[match[1]], template).encode()

    return {
        "OpenReconLabel.json": text,
        "Dockerfile": filled(DOCKERFILE),
        "README.md": filled(MANUAL),
        "build.sh": filled(BUILD),
    }


def write_package(folder: Path, package: Package) -> list[Path]:
    """Write the four files, each whole or not at all.

    Raises
    ------
    InputError
        If nothing can be written there.
    """
    written = []
    for name, content in files_of(package).items():
        path = folder / name
        with written_whole(path) as partial:
            partial.write_bytes(content)
        if name == "build.sh":
            path.chmod(path.stat().st_mode | 0o111)
        written.append(path)
    return written
