"""A protocol: all that pins an experiment, and its text."""

import dataclasses
import hashlib
from dataclasses import field
from typing import Any

from rsd_mri.errors import InputError, alike
from rsd_mri.protocol.checked import Integer, checked
from rsd_mri.protocol.corruptions import EARLIER, CorruptionSettings, UndersamplingSettings
from rsd_mri.protocol.reading import build, parsed
from rsd_mri.protocol.sentences import members, names
from rsd_mri.protocol.settings import (
    DataSettings,
    DenoiserSettings,
    DistillationSettings,
    MaskSettings,
    MonitorSettings,
    NetworkSettings,
    PrepSettings,
    ReconstructorSettings,
    SamplerSettings,
    TeacherSettings,
)
from rsd_mri.protocol.text import text_of

LATER: dict[str, dict[str, object]] = {
    "prep": {"maps": "auto", "partial_fourier": "auto"},
    "distillation": {
        "teacher": "teacher",
        "adversarial": 0.0,
        "autoguidance": 0.0,
        "autoguidance_below": None,
        "guide_round": 0,
        "warmup": 0,
        "pairs": 0,
        "pair_steps": 12,
        "pair_images": 100_000,
    },
    "denoiser": {"rounds": 1, "levels": 36, "last_images": None, "last_cooldown": None},
    "sampler": {"solver": "heun"},
}
"""Settings that earlier versions did not have, with the values that stand for what they did."""


@checked
class Protocol:
    """An experiment: acquisition, preparation, networks, training, sampling.

    Its full text is stored in everything that is made with it.
    """

    name: str = "unnamed"
    description: str = ""
    seed: Integer = 0
    corruption: CorruptionSettings = field(default_factory=UndersamplingSettings)
    mask: MaskSettings = field(default_factory=MaskSettings)
    prep: PrepSettings = field(default_factory=PrepSettings)
    data: DataSettings = field(default_factory=DataSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    distillation: DistillationSettings = field(default_factory=DistillationSettings)
    denoiser: DenoiserSettings = field(default_factory=DenoiserSettings)
    reconstructor: ReconstructorSettings = field(default_factory=ReconstructorSettings)
    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    monitor: MonitorSettings = field(default_factory=MonitorSettings)

    @property
    def undersampling(self) -> UndersamplingSettings:
        """The corruption, where it is that of MRI.

        Raises
        ------
        InputError
            If it is another.
        """
        if not isinstance(self.corruption, UndersamplingSettings):
            raise InputError(
                f"protocol '{self.name}': its corruption is {self.corruption.kind}, which acts on images; for scans "
                "take a protocol of undersampling"
            )
        return self.corruption

    @property
    def taught(self) -> tuple[int, int]:
        """Training length of what is distilled and its batch [images]; of a denoiser all rounds together."""
        if self.distillation.teacher == "denoiser":
            return self.denoiser.all_images, self.denoiser.batch
        return self.teacher.images, self.teacher.batch

    def lengths(self, stage: str) -> list[str]:
        """Dotted keys of the training lengths of a stage, `all` for teacher and generator; of other stages none.

        Another stage's length is no part of what a checkpoint must agree with.
        """
        taught = self.distillation.teacher if stage == "all" else stage
        keys = {
            "teacher": ["teacher.images"],
            "denoiser": ["denoiser.images"] + ["denoiser.last_images"] * (self.denoiser.last_images is not None),
            "reconstructor": ["reconstructor.images"],
        }.get(taught, [])
        return keys + ["distillation.images", "distillation.pair_images"] * (stage in ("generator", "all"))

    def to_yaml(self) -> str:
        """Write every value, defaults included."""
        return text_of(_plain(self))

    @property
    def hash(self) -> str:
        """SHA-256 of the full text, by which a checkpoint knows its protocol.

        The text is as earlier versions wrote it, with the settings of all corruptions and without those that came
        later, where they change nothing: their runs continue.
        """
        values = _plain(self)
        if self.reconstructor == ReconstructorSettings():
            del values["reconstructor"]
        if values["distillation"]["sigma_min"] is None:  # left to the data: settled before a network is distilled
            values["distillation"]["sigma_min"] = 0.002
        values["corruption"] = {**EARLIER, **values["corruption"]}
        for part, settings in LATER.items():
            for name, before in settings.items():
                if values[part][name] == before:
                    del values[part][name]
        return hashlib.sha256(text_of(values).encode()).hexdigest()

    def with_values(self, assignments: dict[str, str]) -> "Protocol":
        """Return a copy with dotted keys set from text, as `--set key=value` gives them.

        Where `corruption.kind` is set, what the new kind does not have is left behind.

        Raises
        ------
        InputError
            If a key is unknown or a value does not fit.
        """
        tree = _plain(self)
        values = {dotted: parsed(dotted, text) for dotted, text in assignments.items()}
        if (kind := members(CorruptionSettings).get(str(values.get("corruption.kind")))) is not None:
            tree["corruption"] = {k: v for k, v in tree["corruption"].items() if k in names(kind)}
        for dotted, value in values.items():
            *parents, last = dotted.split(".")
            branch = tree
            for name in parents:
                if not isinstance(branch.get(name), dict):
                    known = list(branch)
                    raise InputError(
                        f"--set {dotted}: unknown key '{name}'; known keys: {', '.join(known)}{alike(name, known)}"
                    )
                branch = branch[name]
            branch[last] = value
        return build(Protocol, tree, "--set")


def _plain(settings: Any) -> Any:
    if dataclasses.is_dataclass(settings):
        return {f.name: _plain(getattr(settings, f.name)) for f in dataclasses.fields(settings)}
    return list(settings) if isinstance(settings, tuple) else settings
