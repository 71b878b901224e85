"""`Facts`: what a header says of the measurement that does not change how its data are read."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Facts:
    """Times, angles and names; empty or None where nothing is said."""

    echo_times: tuple[float, ...] = ()
    """Of each contrast [ms]."""
    repetition_times: tuple[float, ...] = ()
    """[ms]."""
    inversion_times: tuple[float, ...] = ()
    """[ms]."""
    flip_angles: tuple[float, ...] = ()
    """[degrees]."""
    field_strength: float | None = None
    """[T]."""
    frequency: float | None = None
    """Of protons [MHz]."""
    vendor: str | None = None
    model: str | None = None
    patient_position: str | None = None
    """`HFS`, `FFS`, ...: how the patient lay."""
    moment: float | None = None
    """When this frame of several was measured, the middle of its lines [ms]: after the first frame, or after the
    trigger where the frames are phases of a cycle."""
    triggered: bool = False
    """Whether `moment` counts from the trigger."""
    # What follows may tell who was measured, where and when: written into images only where that is asked for.
    sequence: str | None = None
    protocol: str | None = None
    series_date: str | None = None
    series_time: str | None = None

    def of_contrast(self, number: int) -> "Facts":
        """The facts of one of several contrasts, where each has its own echo time."""

        def one(values: tuple[float, ...]) -> tuple[float, ...]:
            return values[number : number + 1] if len(values) > 1 and 0 <= number < len(values) else values

        return replace(
            self, echo_times=one(self.echo_times), inversion_times=one(self.inversion_times),
            flip_angles=one(self.flip_angles),
        )  # fmt: skip

    def without_names(self) -> "Facts":
        """Without what may tell who was measured, where and when."""
        return replace(self, sequence=None, protocol=None, series_date=None, series_time=None)
