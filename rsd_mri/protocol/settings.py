"""Protocols: one frozen dataclass per stage, read from YAML and checked field by field.

Defaults live in the dataclasses only. A protocol pins an acquisition and a recipe; its full text is stored
in everything that is made with it.
"""

import dataclasses
import hashlib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from rsd_mri.errors import InputError, alike


@dataclass(frozen=True)
class MaskSettings:
    """How k-space is undersampled."""

    kind: Literal["uniform", "random", "equispaced", "magic", "variable-density", "poisson"] = "uniform"
    """`uniform`: a fixed number of outer lines without replacement (the published law); `random`,
    `equispaced`, `magic`: fastMRI's; `variable-density`: lines denser near the centre; `poisson`: 2-D."""
    acceleration: float = 4.0
    """Acceleration asked for: total lines over kept lines."""
    acs_lines: int | None = None
    """Fully sampled centre lines; by default 20 of 320 in proportion, at least 8, at most half of those kept."""
    extra_lines: int | None = None
    """Outer lines that the further-corrupted mask drops; by default what takes R to R + 1."""
    most_extra_lines: int | None = None
    """Where given, the number dropped is drawn between `extra_lines` and this one: the networks then know sparser
    scans than those they learn from."""


@dataclass(frozen=True)
class PrepSettings:
    """How a raw scan becomes a prepared one."""

    mode: Literal["measured", "paper"] = "measured"
    """`measured`: maps, scale and k-space from what was acquired. `paper`: maps and scale from the full
    scan and k-space simulated from the combined image, as the published experiments did."""
    virtual_coils: int = 8
    """Coils kept by the compression, at most."""
    coil_energy: float = 1.0
    """Stop adding virtual coils once this share of the energy is kept; 1 keeps `virtual_coils`."""
    calib_width: int = 24
    """Width of ESPIRiT's calibration region [lines]; cut to the acquired centre where that is narrower."""
    kernel_width: int = 6
    """ESPIRiT's kernel width [k-space points]."""
    threshold: float = 0.02
    """Singular values of the calibration matrix below this share of the largest are noise."""
    crop: float = 0.9
    """Maps are zero where ESPIRiT's leading eigenvalue is below this."""
    sets: Literal["auto", "1", "2"] = "auto"
    """Sets of maps; `auto` takes two where the second eigenvalue says that one is not enough."""


@dataclass(frozen=True)
class CorruptionSettings:
    """What stands between the images and the data."""

    kind: Literal[
        "undersampling", "noise", "random-inpainting", "box-inpainting", "gaussian-blur", "motion-blur",
        "super-resolution",
    ] = "undersampling"
    """`undersampling` is multi-coil MRI, as `mask` says; the others act on images in [-1, 1]."""
    sigma: float = 0.0
    """Standard deviation of the noise on images; that of MRI comes with the scans."""
    shown: Literal["pseudo-inverse", "adjoint"] = "pseudo-inverse"
    """What the networks of MRI are shown of data y: A^+ y, unfolded as far as the noise allows, or A^H y as in the
    published experiments. For masks of pixels and for noise both are the same."""
    p: float = 0.6
    """Random inpainting: probability that a pixel is hidden."""
    delta: float = 0.1
    """Random inpainting: probability that further corruption hides a pixel that was seen."""
    box: int = 16
    """Box inpainting: side of the hidden box, and of the one further corruption hides [pixels]."""
    kernel_size: int = 9
    """Blur: width of the kernel [pixels]."""
    kernel_std: float = 2.0
    """Gaussian blur: standard deviation of the kernel [pixels]."""
    factor: int = 2
    """Super-resolution: how many times smaller the data are."""


@dataclass(frozen=True)
class DataSettings:
    """What to train on where no data are given, and in which pieces."""

    source: Literal["brains", "photographs", "digits"] = "brains"
    """`brains` are simulated scans; `photographs` are patches of the colour photographs that come with
    scikit-image, `digits` the handwritten ones that come with scikit-learn: `volumes` times `slices` images of
    `matrix` pixels a side."""
    volumes: int = 64
    slices: int = 4
    matrix: int = 64
    """Matrix size of the simulated scans, side of the images [pixels]."""
    coils: int = 8
    noise: float = 0.01
    """Noise standard deviation over the brightest tissue."""
    crop: int = 0
    """Rows of the bands that training slices are cut into, simulated or not; 0 for whole slices. For masks of lines."""


@dataclass(frozen=True)
class NetworkSettings:
    """The U-Net."""

    field: Literal["complex", "real"] = "complex"
    channels: int = 32
    """Channels at full resolution (complex ones in a complex network)."""
    multipliers: tuple[int, ...] = (1, 2, 2, 2)
    """Channel multiplier of each resolution."""
    blocks: int = 1
    """Residual blocks per resolution."""
    fold: int = 1
    """Pixels a side that are folded into channels before the first convolution and unfolded after the last
    (space to depth; Zhang et al. 2018, arXiv 1710.04026): 2 costs a quarter at the same width."""
    attention: tuple[int, ...] = ()
    """Levels (0 is full resolution) with self-attention."""
    gated: bool = False
    """Gated convolutions, as the published masked networks have."""
    dropout: float = 0.0


@dataclass(frozen=True)
class TeacherSettings:
    """Phase one: a diffusion teacher from corrupted data."""

    images: int = 200_000
    """Training length [images seen]."""
    batch: int = 16
    learning_rate: float = 1.0e-3
    warmup: int = 2_000
    """Linear learning-rate ramp [images]."""
    cooldown: int = 0
    """Linear fall of the learning rate to zero over the last of them [images]."""
    sigma_data: float = 0.35
    """Root mean square magnitude of the images."""
    sigma_hidden: float = 0.0
    """Root mean square magnitude of what the further-corrupted operator hides of them."""
    log_mean: float = -1.2
    log_std: float = 1.2
    """Training noise levels are log-normal with these parameters."""
    noise_law: Literal["truncated", "clamped"] = "truncated"
    """Where the data have noise: draw levels above it (`truncated`), or raise those below to it, as the
    reference code does (`clamped`), though its loss is zero there."""
    consistency: float = 0.0
    """Weight of the consistency term, which trains the levels below the data's noise; 0 leaves it out."""
    ema_halflife: int = 10_000
    """Half-life of the averaged weights [images]."""
    grad_clip: float = 1.0
    """Largest gradient norm; 0 for none."""


@dataclass(frozen=True)
class DistillationSettings:
    """Phase two: the one-step generator."""

    method: Literal["sid", "dmd", "sds"] = "sid"
    images: int = 50_000
    batch: int = 16
    learning_rate_generator: float = 3.0e-5
    learning_rate_fake: float = 1.0e-4
    cooldown: int = 0
    """Linear fall of both learning rates to zero over the last of the images [images]."""
    beta1_generator: float = 0.0
    """Adam's first decay rate for the generator."""
    alpha: float = 1.2
    """SiD's alpha (Zhou et al. 2024, arXiv 2404.04057, eq. 23)."""
    sigma_init: float = 2.5
    """Noise level of the generator's input."""
    t_max: int = 800
    """Noise levels are drawn from the first t_max of 1000 Karras levels, counted from the smallest."""
    sigma_min: float = 0.002
    """Smallest of those levels. Below the noise of its data the teacher extrapolates: on images it does so well
    enough (arXiv 2505.13377), on MRI it does not."""
    student_noise: Literal["none", "matched"] = "none"
    """Whether data noise is added to the generator's images before the teacher sees them."""
    fake_mask: Literal["acquired", "further"] = "acquired"
    """Where the fake score's loss acts: on the acquired mask (the teacher's objective) or, as in the
    reference code, on the further-corrupted one."""
    generator_mask: bool = False
    """Whether the generator's loss acts on the acquired part only."""
    ema_halflife: int = 5_000
    grad_clip: float = 1.0


@dataclass(frozen=True)
class DenoiserSettings:
    """The reconstruction prior: a denoiser of whole images, trained on restored training scans.

    The step of expectation maximisation (Rozet et al. 2024, arXiv 2405.13712): restore every undersampled scan
    with what is known, then learn the law of the restorations.
    """

    restored_by: Literal["l1-wavelet", "tv", "posterior"] = "l1-wavelet"
    """`posterior`: one sample per slice under the denoiser of the round before."""
    images: int = 100_000
    batch: int = 16
    patch: int = 48
    """Side of a training patch [pixels]."""
    variety: float = 0.75
    """Share of the patches that are made unlike the images (`corruption.variety`): other scales, contrast, sharpness,
    texture and phase, parts of several joined along random edges. Scans of another kind than the training scans gain
    much, scans like them lose a little."""
    learning_rate: float = 1.0e-3
    cooldown: int = 0
    """Linear fall of the learning rate to zero over the last of the images [images]."""
    log_mean: float = -2.0
    log_std: float = 1.4
    """Training noise levels: lower than the teacher's, as reconstruction starts from the data."""
    ema_halflife: int = 5_000


@dataclass(frozen=True)
class SamplerSettings:
    """The teacher's sampler: Heun (Karras et al. 2022, arXiv 2206.00364, algorithm 1)."""

    steps: int = 18
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0


@dataclass(frozen=True)
class MonitorSettings:
    """Judging the averaged networks as they train, from measurements alone: the Proximal distance.

    Generated images are corrupted again by the law of the data and compared with measurements kept from training;
    the last weights whose distance is the lowest, up to chance, are the result (arXiv 2505.13377 takes the lowest).
    """

    cost: float = 0.03
    """How often: the share of a stage's network calls it may take; 0 turns it off and trains on every item."""
    images: int = 256
    """Images generated for one distance, and the most measurements they are compared with."""
    held_out: float = 0.1
    """Share of the items kept from training; where that is fewer than 16, none is kept and nothing is judged."""
    steps: int = 8
    """Steps of the teacher's sampler."""


@dataclass(frozen=True)
class Protocol:
    """An experiment: acquisition, preparation, networks, training, sampling."""

    name: str = "unnamed"
    description: str = ""
    seed: int = 0
    corruption: CorruptionSettings = field(default_factory=CorruptionSettings)
    mask: MaskSettings = field(default_factory=MaskSettings)
    prep: PrepSettings = field(default_factory=PrepSettings)
    data: DataSettings = field(default_factory=DataSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    distillation: DistillationSettings = field(default_factory=DistillationSettings)
    denoiser: DenoiserSettings = field(default_factory=DenoiserSettings)
    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    monitor: MonitorSettings = field(default_factory=MonitorSettings)

    def to_yaml(self) -> str:
        """Write every value, defaults included."""
        return yaml.safe_dump(_plain(self), sort_keys=False, allow_unicode=True)

    @property
    def hash(self) -> str:
        """SHA-256 of the full text."""
        return hashlib.sha256(self.to_yaml().encode()).hexdigest()

    def with_values(self, assignments: dict[str, str]) -> "Protocol":
        """Return a copy with dotted keys set from text, as `--set key=value` gives them.

        Raises
        ------
        InputError
            If a key is unknown or a value has the wrong type.
        """
        tree = _plain(self)
        for dotted, text in assignments.items():
            *parents, last = dotted.split(".")
            branch = tree
            for name in parents:
                if not isinstance(branch.get(name), dict):
                    raise InputError(f"--set {dotted}: unknown key '{name}'; known keys: {', '.join(branch)}")
                branch = branch[name]
            try:
                branch[last] = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise InputError(f"--set {dotted}: {text!r} is not a YAML value") from error
        return build(Protocol, tree, "--set")


T = TypeVar("T")


def build(cls: type[T], values: Any, where: str) -> T:
    """Build a settings dataclass from parsed YAML, checking names and types.

    Raises
    ------
    InputError
        With the dotted path of the first value that does not fit.
    """
    if not isinstance(values, dict):
        raise InputError(f"{where}: expected a mapping of settings, got {type(values).__name__}")
    hints = typing.get_type_hints(cls)
    known = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise InputError(f"{where}: unknown key '{name}'; known keys: {', '.join(known)}")
    return cls(**{k: _convert(hints[k], v, f"{where}: {k}" if ":" not in where else f"{where}.{k}")
                  for k, v in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return build(hint, value, where)  # type: ignore[arg-type]
    origin = typing.get_origin(hint)
    if origin is Literal:
        choices = typing.get_args(hint)
        if value not in choices and str(value) in choices:
            value = str(value)
        if value not in choices:
            raise InputError(f"{where}: expected one of {', '.join(map(str, choices))}, got {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{where}: expected a list, got {value!r}")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, v, where) for v in value)
    if origin in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(hint) if a is not type(None)]
        return None if value is None else _convert(inner[0], value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    advice = ""
    if isinstance(value, str) and hint in (int, float):
        try:
            float(value)
        except ValueError:
            pass
        else:
            advice = "; YAML reads a number without a decimal point in its mantissa as text: write 1.0e-4, not 1e-4"
    raise InputError(f"{where}: expected {hint.__name__}, got {value!r}{advice}")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return list(value) if isinstance(value, tuple) else value


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
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as YAML ({error})") from error
    return build(Protocol, values, path.name)


def protocol_for_acceleration(acceleration: float) -> Protocol:
    """Return the MRI protocol of an acceleration: `mri-r4` for 4, with the nearest one's recipe otherwise.

    Raises
    ------
    InputError
        If the acceleration is below 1.
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
