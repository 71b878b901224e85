"""K-space along a trajectory to a checked `Scan`: from arrays, and from records of ISMRMRD."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.assembly import MOST_COILS, check_values
from rsd_mri.scan.findings import Finding, merged
from rsd_mri.scan.frames import frames_by_counters
from rsd_mri.scan.geometry import Geometry
from rsd_mri.scan.hdf5 import check_size
from rsd_mri.scan.header import Header
from rsd_mri.scan.moments import with_moments
from rsd_mri.scan.noise_records import noise_of
from rsd_mri.scan.places import Stack, settle_stacks
from rsd_mri.scan.records import Records
from rsd_mri.scan.roles import settle_roles
from rsd_mri.scan.scan import Scan
from rsd_mri.scan.sign import settle_sign
from rsd_mri.scan.trajectory import SLACK, in_cycles, matrix_of
from rsd_mri.scan.usual_answers import usual_findings

ALIKE = 1e-3
"""Difference of two slices' trajectories up to which they are the same [cycles per field of view]."""


def scan_along(
    path: Path,
    form: str,
    kspace: NDArray[Any],
    points: NDArray[Any],
    matrix: tuple[int, int] | None = None,
    *,
    voxel: tuple[float, float, float] | None = None,
    geometry: Geometry | None = None,
    notes: tuple[str, ...] = (),
    findings: tuple[Finding, ...] = (),
    **further: Any,
) -> Scan:
    """Check k-space and its trajectory, and build the `Scan`.

    Parameters
    ----------
    path, form
        The file and the name of its format.
    kspace
        [slice, coil, sample, shot] complex, or [coil, sample, shot].
    points
        [sample, shot, 2], or with the coordinates first [2, sample, shot]; a third coordinate must be zero.
    matrix
        (readout, phase_encode) of the image; twice the reach of the trajectory where nothing says it.
    voxel, geometry
        Size of a voxel, and where the slices lie.
    notes, findings
        What the reader had to say.
    **further
        For `Scan`.

    Raises
    ------
    InputError
        If arrays do not fit each other, or are no k-space.
    """
    kspace = kspace[None] if kspace.ndim == 3 else kspace
    if kspace.ndim != 4 or kspace.dtype.kind != "c" or kspace.shape[1] > MOST_COILS:
        raise InputError(
            f"{path}: kspace has type {kspace.dtype}, shape {list(kspace.shape)}; expected complex "
            "[slice, coil, sample, shot] beside a trajectory"
        )
    flat = _in_plane(points, kspace.shape[-2:], path)
    kspace = np.ascontiguousarray(kspace, dtype=np.complex64)
    said = check_values(kspace, path, grid=False)
    if matrix is None:
        matrix = matrix_of(flat, path)
        notes = (*notes, f"the image is {matrix[0]} x {matrix[1]} pixels, twice the reach of the trajectory")
    trajectory, unit = in_cycles(flat, matrix, path)
    samples, shots = trajectory.shape[:2]
    geometry = replace(geometry or Geometry(), voxel_size=voxel)
    scan = Scan(
        kspace=kspace,
        mask=(kspace != 0).any(axis=(0, 1, 2)),
        mask_source="file",
        source=path,
        format=form,
        image_size=matrix,
        geometry=geometry,
        trajectory=trajectory,
        notes=tuple(dict.fromkeys((*notes, *said))),
        **further,
    )
    mine = [
        Finding("sampling", f"{shots} shots of {samples} samples along a trajectory", unit,
                {"kind": "trajectory", "shots": shots, "samples": samples}),
        Finding("axes", "slice, coil, sample, shot", "a trajectory beside k-space"),
        Finding("matrix", f"{matrix[0]} x {matrix[1]}", "size of the image"),
        Finding("acceleration", f"{scan.realised_acceleration:.2f}", "cells within reach over cells with a sample",
                scan.realised_acceleration),
    ]  # fmt: skip
    return replace(scan, findings=merged(usual_findings(scan), findings, mine))


def _in_plane(points: NDArray[Any], size: tuple[int, ...], path: Path) -> NDArray[np.float64]:
    """The two coordinates in the plane, [sample, shot, 2]."""
    expected = f"expected [sample, shot, 2] of {size[0]} samples and {size[1]} shots, as kspace has"
    if points.dtype.kind not in "fiu" or points.ndim != 3:
        raise InputError(f"{path}: trajectory has type {points.dtype}, shape {list(points.shape)}; {expected}")
    if points.shape[1:] == tuple(size) and points.shape[0] in (2, 3) and points.shape[:2] != tuple(size):
        points = np.moveaxis(points, 0, -1)
    if points.shape[:2] != tuple(size) or points.shape[2] not in (2, 3):
        raise InputError(f"{path}: trajectory has shape {list(points.shape)}; {expected}")
    if points.shape[2] == 3 and np.abs(points[..., 2]).max() > ALIKE:
        raise InputError(
            f"{path}: the trajectory leaves the plane; expected two dimensions: transform a stack of stars along its "
            "partitions first, and save each slice; weights of the density do not belong there"
        )
    return points[..., :2].astype(np.float64)


def scans_along(
    records: Records, budget: int | None = None, others: Sequence[Records] = (), noise_from: Records | None = None
) -> tuple[Scan, ...]:
    """Turn records with trajectories into scans, one for each frame of each stack of slices.

    Parameters
    ----------
    records, budget, others, noise_from
        As `scans_of` takes them.

    Raises
    ------
    InputError
        If the records hold no trajectory, or one that is not the same for all slices.
    """
    roles = settle_roles(records)
    header = records.header.encoding(roles.space)
    image = roles.of("image")
    head = records.head[image]
    if records.points is None or not (head["trajectory_dimensions"] >= 2).all():
        raise InputError(
            f"{records.source}: the header says a {header.trajectory} trajectory, and the records hold none; convert "
            "the raw data again with trajectories"
        )
    if header.encoded is None and header.recon is None:
        raise InputError(f"{records.source}: the header has no matrix size; expected that of the image")
    if header.encoded is not None and header.encoded[2] > 1 and len(np.unique(head["idx"]["kspace_encode_step_2"])) > 1:
        raise InputError(
            f"{records.source}: partitions are encoded beside the trajectory; expected slices: transform a stack of "
            "stars along its partitions first"
        )
    matrix = (header.recon or header.encoded)[:2]  # type: ignore[index]
    stacks, said = settle_stacks(head, False, header.slices)
    noise, finding, more = noise_of(records, roles, float(head["sample_time_us"][0]), others, noise_from)
    turned, sign, warned = settle_sign(header.vendor, stacks[0].geometry.slice_direction is not None)
    findings = (*roles.findings, sign, *([] if finding is None else [finding]))
    notes = (*records.notes, *roles.notes, *said, *warned, *more)
    found = []
    for number, stack in enumerate(stacks):
        mine = image[np.isin(head["idx"]["slice"], stack.slices)]
        frames = frames_by_counters(records, mine)
        headers = with_moments(records, header, frames)
        for frame, of_frame in zip(frames, headers, strict=True):
            label, chosen = frame.label, frame.chosen
            kspace, points = _shots(records, chosen, stack, budget)
            points = _of_the_image(-points if turned else points, header, matrix)
            found.append(
                scan_along(
                    records.source, records.format, kspace, points, matrix,
                    voxel=_voxel(header, matrix), geometry=stack.geometry, notes=notes, findings=findings,
                    noise=noise, header=records.text, facts=of_frame.facts.of_contrast(label.get("contrast", 0)),
                    attributes={**records.attributes, **({"patient_id": header.patient} if header.patient else {})},
                    frame=label, stack=number,
                )
            )  # fmt: skip
    return tuple(found)


def _shots(
    records: Records, chosen: NDArray[np.intp], stack: Stack, budget: int | None
) -> tuple[NDArray[np.complex64], NDArray[np.float32]]:
    """Samples [slice, coil, sample, shot] and points [sample, shot, dimension] of one frame, in the order measured."""
    if records.points is None:
        raise ValueError(f"{records.source} has no trajectory")
    head, path = records.head, records.source
    counters = head["idx"]["slice"][chosen]
    each = [chosen[counters == c] for c in stack.slices]
    kept = {(int(h["number_of_samples"]), int(h["discard_pre"]), int(h["discard_post"])) for h in head[chosen]}
    shots = {len(some) for some in each}
    coils = int(head["active_channels"][chosen[0]])
    if len(kept) > 1 or len(shots) > 1 or (head["active_channels"][chosen] != coils).any():
        raise InputError(f"{path}: shots differ in samples or coils, or slices in shots; expected as many in each")
    count, before, after = kept.pop()
    shape = (len(each), coils, count - before - after, shots.pop())
    if shape[2] < 2:
        raise InputError(f"{path}: {count} samples a shot, of which {before + after} are discarded; convert it again")
    check_size(path, "k-space", shape, 8, budget)
    kspace = np.zeros(shape, np.complex64)
    where = {int(index): (s, k) for s, some in enumerate(each) for k, index in enumerate(some)}
    window = slice(before, count - after)
    for index, samples in records.samples(np.sort(chosen)):
        s, k = where[index]
        kspace[s, :, :, k] = samples[:, window]
    dimensions = int(head["trajectory_dimensions"][chosen].min())
    points = np.zeros((len(each), *shape[2:], dimensions), np.float32)
    for index, one in records.points(np.sort(chosen)):
        s, k = where[index]
        points[s, :, k] = one[window, :dimensions]
    if np.abs(points - points[:1]).max() > ALIKE * max(float(np.abs(points).max()), 1e-30):
        raise InputError(f"{path}: slices have different trajectories; save each slice in a file of its own")
    return kspace, points[0]


def _of_the_image(points: NDArray[np.float32], header: Header, matrix: tuple[int, int]) -> NDArray[np.float32]:
    """Points in cycles per encoded field of view, where that is larger than the image's, to cycles per the image's."""
    farthest, encoded = float(np.abs(points[..., :2]).max()), header.encoded
    if encoded is None or not max(matrix) / 2 * (1 + SLACK) < farthest <= max(encoded[:2]) / 2 * (1 + SLACK):
        return points
    pair: tuple[Sequence[float], Sequence[float]] = (header.recon or matrix, encoded)
    if header.recon_fov is not None and header.encoded_fov is not None and min(header.encoded_fov[:2]) > 0:
        pair = (header.recon_fov, header.encoded_fov)
    scaled: NDArray[np.float32] = points.copy()
    ratio: NDArray[np.float32] = np.array([a / b for a, b in zip(pair[0][:2], pair[1][:2], strict=True)], np.float32)
    scaled[..., :2] *= ratio
    return scaled


def _voxel(header: Header, matrix: tuple[int, int]) -> tuple[float, float, float] | None:
    """Field of view over the matrix [mm], where the header has both."""
    fov = header.recon_fov or header.encoded_fov
    if fov is None or min(fov) <= 0:
        return None
    return fov[0] / matrix[0], fov[1] / matrix[1], fov[2]
