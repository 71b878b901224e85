"""From a scan to prepared slices: the one chain that `prep` and `recon` share."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.coils.acs import cut_off, prepared_readout, without_oversampling
from rsd_mri.coils.calibration import learned_from, white_mixing
from rsd_mri.coils.compression import compression_matrix
from rsd_mri.coils.espirit import espirit, kernel_polynomial, leading_eigenpairs
from rsd_mri.coils.loudest import loudest_in_words
from rsd_mri.coils.noise import ScanNoise, scan_noise
from rsd_mri.coils.second_support import second_crop
from rsd_mri.coils.taper import untapered
from rsd_mri.coils.whitening import whitening_matrix
from rsd_mri.errors import InputError
from rsd_mri.operators.nonuniform import pipe_menon
from rsd_mri.operators.sense import sense_operator
from rsd_mri.preparation.centres import centres_of, kernel_width
from rsd_mri.preparation.partial_fourier import PartialFourier, partial_fourier_of, smooth_phase
from rsd_mri.preparation.prepared import PreparedSlice, transform_of
from rsd_mri.preparation.scale import calibration_scale
from rsd_mri.protocol import PrepSettings
from rsd_mri.scan.middle import centre_slice
from rsd_mri.scan.scan import Scan

SIGMA_FLOOR = 1e-6
"""Noise level given to data without measurable noise, in prepared units: the rounding of complex64."""
DECISION_SLICES = 8
"""Slices looked at to decide the number of sets of maps."""
DECISION_GRID = 64
"""Points per axis on which the second eigenvalue is looked at."""
DECISION_SHARE = 0.005
"""Share of the object where the second eigenvalue must pass for a second set."""


@dataclass(frozen=True)
class VolumeCalibration:
    """What is decided once for all slices of a scan."""

    forward: NDArray[np.complex64]
    """[virtual coil, coil]: whitening, compression, scale; prepared k-space is this times the scan's over `taper`."""
    back: NDArray[np.complex64]
    """[coil, virtual coil]: from prepared coils to the coils and the unit of the scan."""
    calibration: NDArray[np.complex64]
    """[slice, virtual coil, readout, phase_encode]: the centre that the maps are learned from, in prepared units."""
    widened: NDArray[np.complex64] | None
    """The maps are learned from it where it is there; as `Centres` has it."""
    map_readout: int
    """Readout size of the maps before they are cropped to `n_readout`: more where the object reaches beyond it."""
    n_readout: int
    """Readout size without oversampling."""
    sigma: float
    """Noise standard deviation in prepared units, that data are weighed by."""
    scale: float
    """Prepared k-space times this is the whitened k-space."""
    acs: tuple[int, int]
    calib_width: int
    energy_kept: float
    noise_source: str
    n_sets: int
    sets_reason: str
    noise_mean: float = 1.0
    """Level of the noise over `sigma`, root mean square over what was acquired; as `ScanNoise` has it."""
    unevenness: float = 1.0
    """Noise where it is strongest in k-space over that where it is weakest."""
    taper: NDArray[np.float32] | None = None
    """[phase_encode]: by how much a filter of k-space took every line down, signal and noise alike; None where there
    was none. Prepared k-space is without it, and its noise white; images are given with it."""
    density: NDArray[np.float32] | None = None
    """[sample, shot]: cells of the Cartesian grid that each sample of a trajectory stands for."""
    partial: PartialFourier | None = None
    """Where one side of k-space was left out, and the image is taken to be real but for a smooth phase."""
    reference: NDArray[np.complex64] | None = None
    """[virtual coil]: the combination of coils whose maps are real and positive; the first where not given."""

    @property
    def level(self) -> float:
        """Noise standard deviation in prepared units, root mean square over what was acquired."""
        return self.sigma * self.noise_mean

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of it."""
        said = [f"Coil maps: {self.sets_reason}."]
        if (loud := loudest_in_words(self.back, self.calibration)) is not None:
            said.append(loud)
        if self.unevenness > 1:
            weighed = (
                f"data are weighed by {1 / self.noise_mean:.2f} of its mean level"
                if self.taper is None
                else f"every line is weighed by {1 / self.noise_mean:.2f} of its own, and images keep the filter"
            )
            said.append(
                f"Noise: {self.unevenness:.1f} times as strong in some parts of k-space as in others, as a filter "
                f"leaves it; {weighed}."
            )
        return (*said, f"{self.partial.note(self.acs)}.") if self.partial else tuple(said)

    def virtual(self, acquired: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """K-space of the scan's coils in prepared units, [virtual coil, readout, phase_encode]."""
        found = self.mixed(acquired)
        return found if self.taper is None else (found / self.taper).astype(np.complex64)

    def mixed(self, kspace: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """K-space [..., coil, readout, phase_encode] from which the taper is taken already, in virtual coils."""
        found: NDArray[np.complexfloating] = np.einsum("vc,...cyx->...vyx", self.forward, kspace, optimize=True)
        return found.astype(np.complex64)


def calibrate_volume(scan: Scan, settings: PrepSettings, noise: ScanNoise | None = None) -> VolumeCalibration:
    """Decide what all slices share: whitening, coil compression, scale, number of sets of maps.

    Parameters
    ----------
    scan
        The scan, as read.
    settings
        The protocol's `prep`.
    noise
        As `scan_noise` gives it, where it is not the scan's own.

    Raises
    ------
    InputError
        If the data hold no signal or invalid numbers, if only a fully sampled centre will do and there is none, or if
        `paper` mode is asked of an undersampled scan.
    """
    if settings.mode == "paper" and scan.mask_source != "full" and not scan.mask.all():
        raise InputError(
            f"{scan.source}: mask: prep.mode 'paper' needs a fully sampled scan, this one has "
            f"R={scan.realised_acceleration:.2f}; take prep.mode 'measured'"
        )
    density = density_of(scan)
    noise = noise or scan_noise(scan)
    scan = untapered(scan, noise.taper)
    covariance = noise.covariance
    learned = learned_from(
        scan,
        settings.calib_width,
        settings.maps,
        lambda: white_mixing(scan, covariance, settings.virtual_coils),
        density,
    )
    raw, acs, calib_width = learned.kspace, learned.acs, learned.width
    if not np.isfinite(raw).all():
        raise InputError(f"{scan.source}: kspace holds infinite or undefined numbers; export the scan again")
    if not raw.any():
        raise InputError(f"{scan.source}: kspace: the centre is zero in all slices; nothing to prepare")
    if covariance is None:
        whiten = unwhiten = np.eye(scan.n_coils, dtype=np.complex128)
    else:
        whiten, unwhiten = whitening_matrix(covariance)
    whitened = np.einsum("vc,scyx->svyx", whiten, raw)
    compress, energy_kept = compression_matrix(whitened, settings.virtual_coils, settings.coil_energy)
    virtual = np.einsum("vc,scyx->svyx", compress, whitened)
    scale = calibration_scale(virtual, (prepared_readout(scan), scan.matrix[1]))
    calibration = (virtual / scale).astype(np.complex64)
    sigma = max(1 / scale, SIGMA_FLOOR) if covariance is not None else SIGMA_FLOOR
    forward = (compress @ whiten / scale).astype(np.complex64)
    whole = learned.own and cut_off(scan, settings.calib_width, acs)
    map_readout = scan.size[0] if whole else prepared_readout(scan)
    centres = centres_of(scan, learned, forward, map_readout, float(sigma), settings, calibration)
    n_sets, reason = decide_sets(calibration if centres.widened is None else centres.widened, settings, float(sigma))
    return VolumeCalibration(
        forward=forward,
        back=(unwhiten @ compress.conj().T * scale).astype(np.complex64),
        calibration=centres.acquired,
        widened=centres.widened,
        map_readout=map_readout,
        n_readout=prepared_readout(scan),
        sigma=float(sigma),
        scale=float(scale),
        acs=acs if density is None else (0, 0),
        calib_width=calib_width,
        energy_kept=energy_kept,
        noise_source=noise.source,
        noise_mean=noise.mean,
        unevenness=noise.unevenness,
        taper=noise.taper,
        n_sets=n_sets,
        sets_reason="; ".join(part for part in (learned.reason, centres.note, reason) if part),
        density=density,
        partial=None
        if settings.partial_fourier == "off" or density is not None
        else partial_fourier_of(scan.mask, scan.size),
    )


def calibrated_like(scan: Scan, volume: VolumeCalibration, settings: PrepSettings) -> VolumeCalibration:
    """Calibrate further slices of a volume: whitening, compression, scale and sets of maps stay theirs.

    Parameters
    ----------
    scan
        The further slices.
    volume
        `calibrate_volume` of the earlier ones.
    settings
        The protocol's `prep`.

    Raises
    ------
    InputError
        If only a fully sampled centre will do and there is none.
    """
    scan = untapered(scan, volume.taper)
    mixing = volume.forward, volume.back
    learned = learned_from(scan, settings.calib_width, settings.maps, lambda: mixing, volume.density)
    found = centres_of(scan, learned, volume.forward, volume.map_readout, volume.sigma, settings)
    return replace(
        volume, calibration=found.acquired, widened=found.widened, acs=learned.acs, calib_width=learned.width
    )


def with_phase_of(volume: VolumeCalibration, other: VolumeCalibration) -> VolumeCalibration:
    """A frame's calibration whose images have their phase against the same combination of coils as another frame's.

    Each frame is compressed to virtual coils of its own, whose phases the data fix: without this a difference of phase
    between frames (velocity, echoes) would lack what the two references differ by.
    """
    coils = other.forward[0] if other.reference is None else other.reference.conj() @ other.forward
    reference = (coils.astype(np.complex128) @ volume.back).conj()
    size = float(np.linalg.norm(reference))
    return replace(volume, reference=(reference / size).astype(np.complex64)) if size > 0 else volume


def density_of(scan: Scan) -> NDArray[np.float32] | None:
    """Cells of the Cartesian grid that each sample of a trajectory stands for, [sample, shot]; None without one."""
    if scan.trajectory is None:
        return None
    # Shots that were not acquired stand for nothing, and take nothing from the others.
    points, acquired = torch.from_numpy(scan.trajectory), np.broadcast_to(scan.mask, scan.size)
    found = np.zeros(scan.size, np.float32)
    found[acquired] = pipe_menon(points[torch.from_numpy(acquired.copy())][:, None], scan.matrix)[:, 0].numpy()
    return found


def decide_sets(calibration: NDArray[np.complex64], settings: PrepSettings, sigma: float) -> tuple[int, str]:
    """Choose one or two sets of maps, and say why in a sentence."""
    if settings.sets == "1" or calibration.shape[1] < 2:
        asked = settings.sets == "1"
        return 1, "one set was asked for" if asked else "one coil has one set"
    if settings.sets == "2":
        return 2, "two sets were asked for"
    energy = (np.abs(calibration) ** 2).sum(axis=(1, 2, 3))
    looked_at = np.sort(np.argsort(energy)[::-1][:DECISION_SLICES])
    width = kernel_width(settings, min(calibration.shape[-2:]))
    beyond = inside = 0
    for index in looked_at:
        data = torch.from_numpy(calibration[index : index + 1])
        polynomial = kernel_polynomial(data, width, settings.threshold, sigma)
        values = leading_eigenpairs(polynomial[0], (DECISION_GRID, DECISION_GRID), 2)[1]
        inside += int((values[:, 0] > settings.crop).sum())
        beyond += int((values[:, 1] > settings.crop).sum())
    share = beyond / max(inside, 1)
    n_sets = 2 if share > DECISION_SHARE else 1
    return n_sets, (
        f"{'two sets' if n_sets == 2 else 'one set'}: ESPIRiT's second eigenvalue is above "
        f"{settings.crop:g} in {share:.1%} of the object (limit {DECISION_SHARE:.1%})"
    )


@dataclass(frozen=True)
class SliceMaps:
    """The coil maps of one slice."""

    csm: torch.Tensor
    """[1, (set,) virtual coil, readout, phase_encode]."""
    eigenvalues: NDArray[np.float32]
    """[(set,) readout, phase_encode]."""


def maps_of(volume: VolumeCalibration, index: int, n_phase: int, settings: PrepSettings) -> SliceMaps:
    """Estimate the coil maps of a slice: of all frames that share a calibration they are the same.

    Parameters
    ----------
    volume, settings
        As `prepare_slice` takes them.
    index
        Slice.
    n_phase
        Lines of the Cartesian grid.
    """
    learned = volume.calibration if volume.widened is None else volume.widened
    calibration = torch.from_numpy(learned[index : index + 1])
    width = kernel_width(settings, learned.shape[-1])
    how = {"threshold": settings.threshold, "noise": volume.sigma, "crop": settings.crop}
    own = torch.eye(len(volume.forward), dtype=torch.complex64)[0]
    maps = espirit(
        calibration,
        (volume.map_readout, n_phase),
        kernel_width=width,
        sets=volume.n_sets,
        reference=own if volume.reference is None else torch.from_numpy(volume.reference),
        second_crop=second_crop(calibration, width, **how) if volume.n_sets == 2 else None,
        **how,
    )
    kept = centre_slice(volume.map_readout, volume.n_readout)
    csm = (maps.csm if volume.n_sets == 2 else maps.csm[:, 0])[..., kept, :].contiguous()
    return SliceMaps(csm, np.ascontiguousarray(maps.eigenvalues[0, ..., kept, :].numpy()))


def prepare_slice(
    scan: Scan,
    index: int,
    settings: PrepSettings,
    volume: VolumeCalibration | None = None,
    maps: SliceMaps | None = None,
) -> PreparedSlice:
    """Prepare one slice: whiten, remove readout oversampling, compress coils, scale, estimate the maps.

    Parameters
    ----------
    scan
        The scan, as read.
    index
        Slice.
    settings
        The protocol's `prep`.
    volume
        `calibrate_volume(scan, settings)`, where it is at hand; computed otherwise. The result is the same.
    maps
        `maps_of(volume, index, ...)`, where they are at hand.

    Raises
    ------
    InputError
        If there is no such slice, if its data hold invalid numbers, or as `calibrate_volume` says.
    """
    if not 0 <= index < scan.n_slices:
        raise InputError(f"{scan.source}: there is no slice {index}; the slices are 0 to {scan.n_slices - 1}")
    if volume is None:
        volume = calibrate_volume(scan, settings)
    acquired = np.where(scan.mask, scan.kspace[index], 0)
    if not np.isfinite(acquired).all():
        raise InputError(
            f"{scan.source}: kspace of slice {index} holds infinite or undefined numbers; export the scan again"
        )
    kspace = volume.virtual(acquired)
    if scan.trajectory is None:
        kspace = without_oversampling(kspace, volume.n_readout)
    size = (volume.n_readout, scan.matrix[1])
    maps = maps or maps_of(volume, index, size[1], settings)
    csm = maps.csm
    transform = transform_of(scan.trajectory, size, volume.density)
    sense = sense_operator(csm, torch.from_numpy(scan.mask), transform)
    image = sense.gridded(torch.from_numpy(kspace)[None])
    phase = None
    if volume.partial is not None:
        phase = smooth_phase(kspace, volume.calibration[index], csm, volume.partial, volume.acs)
    if settings.mode == "paper":
        kspace = sense.forward(image)[0].numpy()
    wanted = scan.image_size or scan.matrix
    return PreparedSlice(
        kspace=np.ascontiguousarray(kspace),
        csm=csm[0].numpy(),
        mask=scan.mask,
        image=image[0].numpy(),
        sigma=volume.sigma,
        noise_mean=volume.noise_mean,
        taper=volume.taper,
        scale=volume.scale,
        back=volume.back,
        image_size=(min(wanted[0], size[0]), min(wanted[1], size[1])),
        acs=volume.acs,
        calib_width=volume.calib_width,
        energy_kept=volume.energy_kept,
        noise_source=volume.noise_source,
        sets_reason=volume.sets_reason,
        eigenvalues=maps.eigenvalues,
        trajectory=scan.trajectory,
        density=volume.density,
        phase=phase,
    )
