"""Settings of an experiment, one class a stage, each value with its range; a protocol holds them all.

Defaults live here only. The settings of corruptions are in `corruptions`.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import Self

from rsd_mri.protocol.checked import (
    Count,
    Integer,
    NotNegative,
    Number,
    Part,
    Positive,
    Share,
    Switch,
    Whole,
    checked,
)


def _as_text(value: Any) -> Any:
    """YAML reads 1 as a number."""
    return str(value) if type(value) is int else value


Solver = Literal["heun", "multistep"]
Pattern = Literal["uniform", "random", "equispaced", "magic", "variable-density", "poisson", "elliptical", "caipi"]


@checked
class MaskSettings:
    """How k-space is undersampled."""

    kind: Pattern = "uniform"
    """`uniform`: a fixed number of outer lines without replacement (the published law); `random`,
    `equispaced`, `magic`: fastMRI's; `variable-density`: lines denser near the centre; points of two phase encodes:
    `poisson`, the same within an ellipse `elliptical`, a sheared lattice `caipi`."""
    acceleration: Annotated[Number, Field(ge=1)] = 4.0
    """Acceleration asked for: total lines over kept lines."""
    acs_lines: Whole | None = None
    """Fully sampled centre lines; by default 20 of 320 in proportion, at least 8, at most half of those kept. Of points
    the side of a square; by default at least 16, at most half of those kept."""
    extra_lines: Whole | None = None
    """Outer lines that the further-corrupted mask drops; by default what takes R to R + 1."""
    most_extra_lines: Whole | None = None
    """Where given, the number dropped is drawn between `extra_lines` and this one: the networks then know sparser
    scans than those they learn from."""


@checked
class PrepSettings:
    """How a raw scan becomes a prepared one."""

    mode: Literal["measured", "paper"] = "measured"
    """`measured`: maps, scale and k-space from what was acquired. `paper`: maps and scale from the full
    scan and k-space simulated from the combined image, as the published experiments did."""
    virtual_coils: Count = 8
    """Coils kept by the compression, at most."""
    coil_energy: Share = 1.0
    """Stop adding virtual coils once this share of the energy is kept; 1 keeps `virtual_coils`."""
    maps: Literal["auto", "espirit", "nlinv"] = "auto"
    """What coil maps are learned from. `espirit`: a fully sampled centre; `nlinv`: image and coils found together from
    the undersampled data; `auto`: the latter where the centre is narrower than 8 lines."""
    calib_width: Count = 24
    """Width of ESPIRiT's calibration region [lines]; cut to the acquired centre where that is narrower."""
    kernel_width: Count = 6
    """ESPIRiT's kernel width [k-space points]."""
    threshold: Share = 0.02
    """Singular values of the calibration matrix below this share of the largest are noise."""
    crop: Share = 0.9
    """Maps are zero where ESPIRiT's leading eigenvalue is below this."""
    sets: Annotated[Literal["auto", "1", "2"], BeforeValidator(_as_text)] = "auto"
    """Sets of maps; `auto` takes two where the second eigenvalue says that one is not enough."""

    partial_fourier: Literal["auto", "off"] = "auto"
    """`auto`: where one side of k-space was left out on purpose, the image is taken to be real but for a smooth phase,
    which is found from the centre; `off`: what was left out stays unknown."""


@checked
class DataSettings:
    """What to train on where no data are given, and in which pieces."""

    source: Literal["brains", "photographs", "digits"] = "brains"
    """`brains` are simulated scans; `photographs` are patches of the colour photographs that come with
    scikit-image, `digits` the handwritten ones that come with scikit-learn: `volumes` times `slices` images of
    `matrix` pixels a side."""
    volumes: Count = 64
    slices: Count = 4
    matrix: Count = 64
    """Matrix size of the simulated scans, side of the images [pixels]."""
    coils: Count = 8
    noise: NotNegative = 0.01
    """Noise standard deviation over the brightest tissue."""
    crop: Whole = 0
    """Rows of the bands that training slices are cut into, simulated or not; 0 for whole slices. For masks of lines."""


@checked
class NetworkSettings:
    """The U-Net."""

    field: Literal["complex", "real"] = "complex"
    channels: Count = 32
    """Channels at full resolution (complex ones in a complex network)."""
    multipliers: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 2, 2, 2)
    """Channel multiplier of each resolution."""
    blocks: Count = 1
    """Residual blocks per resolution."""
    fold: Count = 1
    """Pixels a side that are folded into channels before the first convolution and unfolded after the last
    (space to depth; Zhang et al. 2018, arXiv 1710.04026): 2 costs a quarter at the same width."""
    attention: tuple[Whole, ...] = ()
    """Levels (0 is full resolution) with self-attention."""
    gated: Switch = False
    """Gated convolutions, as the published masked networks have."""
    dropout: Part = 0.0


@checked
class TeacherSettings:
    """Phase one: a diffusion teacher from corrupted data."""

    images: Whole = 200_000
    """Training length [images seen]."""
    batch: Count = 16
    learning_rate: NotNegative = 1.0e-3
    warmup: Whole = 2_000
    """Linear learning-rate ramp [images]."""
    cooldown: Whole = 0
    """Linear fall of the learning rate to zero over the last of them [images]."""
    sigma_data: Positive | None = None
    """Root mean square magnitude of the images; by default what the measurements say of it."""
    sigma_hidden: NotNegative | None = None
    """Root mean square magnitude of what the further-corrupted operator hides of them; by default what the measurements
    say of it. The published networks know 0."""
    log_mean: Number = -1.2
    log_std: Positive = 1.2
    """Training noise levels are log-normal with these parameters."""
    noise_law: Literal["truncated", "clamped"] = "truncated"
    """Where the data have noise: draw levels above it (`truncated`), or raise those below to it, as the
    reference code does (`clamped`), though its loss is zero there."""
    consistency: NotNegative = 0.0
    """Weight of the consistency term, which trains the levels below the data's noise; 0 leaves it out."""
    ema_halflife: Whole = 10_000
    """Half-life of the averaged weights [images]."""
    grad_clip: NotNegative = 1.0
    """Largest gradient norm; 0 for none."""


@checked
class DistillationSettings:
    """Phase two: the one-step generator."""

    method: Literal["sid", "dmd", "sds"] = "sid"
    teacher: Literal["teacher", "denoiser"] = "teacher"
    """What is distilled: the teacher of measurements, whose images are compared through the operators of the data, or
    the denoiser of whole images (MRI), whose images are compared as they are."""
    images: Whole = 50_000
    batch: Count = 16
    learning_rate_generator: NotNegative = 3.0e-5
    learning_rate_fake: NotNegative = 1.0e-4
    warmup: Whole = 0
    """Linear rise of the generator's rate over the first of the images [images]: the fake score learns to know
    its images first."""
    cooldown: Whole = 0
    """Linear fall of both learning rates to zero over the last of the images [images]."""
    pairs: Whole = 0
    """Samples of the teacher, guided where it is, that the generator first learns to repeat from their noise in one
    call (Luhman and Luhman 2021, arXiv 2101.02388); 0: it begins as the teacher."""
    pair_steps: Count = 12
    """Network calls a sample (the sampler is `multistep`), with a guide up to twice as many."""
    pair_images: Whole = 100_000
    """Training length on them [images], at `learning_rate_fake`, which falls to zero."""
    beta1_generator: Part = 0.0
    """Adam's first decay rate for the generator."""
    alpha: Number = 1.2
    """SiD's alpha (Zhou et al. 2024, arXiv 2404.04057, eq. 23)."""
    sigma_init: Positive = 2.5
    """Noise level of the generator's input."""
    t_max: Annotated[Integer, Field(ge=1, le=1000)] = 800
    """Noise levels are drawn from the first t_max of 1000 Karras levels, counted from the smallest."""
    sigma_min: Positive | None = None
    """Smallest of those levels; by default what suits the data. Below their noise the teacher extrapolates: on images
    it does so well enough, and 0.002 is taken (arXiv 2505.13377); on MRI it does not, and it is the scans' noise."""
    student_noise: Literal["none", "matched"] = "none"
    """Whether data noise is added to the generator's images before the teacher sees them."""
    fake_mask: Literal["acquired", "further"] = "acquired"
    """Where the fake score's loss acts: on the acquired mask (the teacher's objective) or, as in the
    reference code, on the further-corrupted one."""
    autoguidance: NotNegative = 0.0
    """Weight by which a worse teacher, which the run is given, guides the one that is distilled (Karras et al. 2024,
    arXiv 2406.02507); 0 for none."""
    autoguidance_below: Positive | None = None
    """Noise level below which it is guided; all of them without it."""
    guide_round: Whole = 0
    """Round of the run's own denoiser, before the last and counted from 1, that guides it; 0: a guide that is given."""
    adversarial: NotNegative = 0.0
    """Weight of an adversarial term (Zhou et al. 2024, arXiv 2410.14919): the fake score learns to tell the generator's
    images, corrupted, from what the teacher learned from, and the generator not to be told."""
    generator_mask: Switch = False
    """Whether the generator's loss acts on the acquired part only."""
    ema_halflife: Whole = 5_000
    grad_clip: NotNegative = 1.0


@checked
class DenoiserSettings:
    """The reconstruction prior: a denoiser of whole images, trained on restored training scans.

    The step of expectation maximisation (Rozet et al. 2024, arXiv 2405.13712): restore every undersampled scan
    with what is known, then learn the law of the restorations.
    """

    restored_by: Literal["l1-wavelet", "tv", "posterior"] = "l1-wavelet"
    """`posterior`: one sample per slice under the denoiser of the round before."""
    rounds: Count = 1
    """Rounds of expectation maximisation: after the first every round restores under the round before and goes on from
    its weights."""
    levels: Count = 36
    """Noise levels of the posterior sampler that restores."""
    images: Whole = 100_000
    """Training length of a round [images]."""
    last_images: Whole | None = None
    """That of the last round, whose denoiser is the run's; as the others without it."""
    batch: Count = 16
    patch: Whole = 48
    """Side of a training patch [pixels]; 0 for whole images, neither cut nor turned, whose law can be sampled."""
    variety: Share = 0.75
    """Share of the patches that are made unlike the images (`corruption.variety`): other scales, contrast, sharpness,
    texture and phase, parts of several joined along random edges. Scans of another kind than the training scans gain
    much, scans like them lose a little."""
    learning_rate: NotNegative = 1.0e-3
    cooldown: Whole = 0
    """Linear fall of the learning rate to zero over the last of the images [images]."""
    last_cooldown: Whole | None = None
    """That of the last round; as the others without it."""
    log_mean: Number = -2.0
    log_std: Positive = 1.4
    """Training noise levels: lower than the teacher's, as reconstruction starts from the data."""
    ema_halflife: Whole = 5_000

    def of_round(self, number: int) -> "DenoiserSettings":
        """The settings of one round, counted from 1: its length, and what its scans are restored by."""
        last = number == self.rounds
        return replace(
            self,
            restored_by=self.restored_by if number == 1 else "posterior",
            images=self.last_images if last and self.last_images is not None else self.images,
            cooldown=self.last_cooldown if last and self.last_cooldown is not None else self.cooldown,
            last_images=None,
            last_cooldown=None,
        )

    @property
    def all_images(self) -> int:
        """Training length of all rounds together [images]."""
        return sum(self.of_round(number).images for number in range(1, self.rounds + 1))


@checked
class ReconstructorSettings:
    """The unrolled network that reconstructs in a few calls, trained on restored training scans seen again.

    It begins as the denoiser that restored them and learns through its data steps.
    """

    images: Whole = 40_000
    """Training length [scans seen]."""
    batch: Count = 4
    learning_rate: NotNegative = 4.0e-4
    warmup: Whole = 400
    """Linear learning-rate ramp [scans]."""
    cooldown: Whole = 20_000
    """Linear fall of the learning rate to zero over the last of them [scans]."""
    ema_halflife: Whole = 1_500
    grad_clip: NotNegative = 1.0
    calls: Count = 2
    """Network calls of a reconstruction."""
    iterations: Count = 6
    """Of conjugate gradients in the data step after each call."""
    rows: Count = 48
    """Rows of the bands that stand for scans with masks of lines [pixels]."""
    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = (128, 160, 192)
    """Their phase encodings."""
    point_rows: Count = 88
    """Side of the squares that stand for scans with patterns of points [pixels]."""
    accelerations: tuple[Positive, Positive] = (1.8, 8.5)
    """Lowest and highest, drawn evenly in the logarithm."""
    noise: tuple[Positive, Positive] = (0.004, 0.05)
    """Lowest and highest noise level [prepared units], drawn evenly in the logarithm."""
    map_error: tuple[Positive, Positive] = (0.003, 0.04)
    """Smallest and largest relative error of the coil maps that it is given, drawn evenly in the logarithm."""
    points: Share = 0.15
    """Share of the batches with patterns of points."""
    two_sets: Share = 0.3
    """Share of the batches with two sets of maps."""
    variety: Share = 0.75
    """As for the denoiser."""
    spread_weight: NotNegative = 0.05
    """Weight of the standard deviation's likelihood beside the image's error."""


@checked
class SamplerSettings:
    """The teacher's sampler, deterministic and of second order."""

    solver: Solver = "heun"
    """`heun` calls the network twice a step (Karras et al. 2022, arXiv 2206.00364, algorithm 1); `multistep` once, and
    is about as exact with as many steps (Lu et al. 2022, arXiv 2211.01095)."""
    steps: Count = 18
    sigma_min: Positive = 0.002
    sigma_max: Positive = 80.0
    rho: Positive = 7.0

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.sigma_min >= self.sigma_max:
            raise ValueError(f"expected sigma_max above sigma_min, got {self.sigma_max:g} and {self.sigma_min:g}")
        return self

    @property
    def calls(self) -> int:
        """Of the network, an image."""
        return self.steps if self.solver == "multistep" else 2 * self.steps - 1


@checked
class MonitorSettings:
    """Judging the averaged networks as they train, from measurements alone: the Proximal distance.

    Generated images are corrupted again by the law of the data and compared with measurements kept from training;
    the last weights whose distance is the lowest, up to chance, are the result (arXiv 2505.13377 takes the lowest).
    """

    cost: NotNegative = 0.03
    """How often: the share of a stage's network calls it may take; 0 turns it off and trains on every item."""
    images: Whole = 256
    """Images generated for one distance, and the most measurements they are compared with."""
    held_out: Part = 0.1
    """Share of the items kept from training; where that is fewer than 16, none is kept and nothing is judged."""
    steps: Count = 8
    """Steps of the teacher's sampler."""
