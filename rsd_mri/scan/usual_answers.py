"""What is found of a scan where its reader has nothing better to say."""

from rsd_mri.scan.acquisition import Acquisition
from rsd_mri.scan.findings import Finding


def finding_of_acceleration(scan: Acquisition, evidence: str) -> Finding:
    """How many points of k-space there are for each acquired."""
    window = [list(w) if w else None for w in (scan.readout_at, scan.acquired_at)]
    outside = "" if window == [None, None] else ", zero padding left out"
    return Finding("acceleration", f"{scan.realised_acceleration:.2f}{outside}", evidence, scan.realised_acceleration)


def usual_findings(scan: Acquisition) -> list[Finding]:
    """Answers of every scan, where its reader has nothing better to say."""
    voxel = scan.geometry.voxel_size
    oriented = scan.geometry.slice_direction is not None
    known = f"{len(scan.geometry.positions)} of {scan.n_slices} positions" if scan.geometry.positions else "not known"
    noise, calibration = scan.noise, scan.calibration
    return [
        Finding("format", scan.format, "content of the file"),
        Finding("frames", "one", "no counter or axis beyond the slices", 1),
        Finding("slices", str(scan.n_slices), "", scan.n_slices),
        Finding("axes", "slice, coil, readout, phase encode", "layout of the format"),
        Finding("coils", str(scan.n_coils), "", scan.n_coils),
        Finding("matrix", f"{scan.size[0]} x {scan.size[1]}", "size of k-space"),
        Finding("voxel", "not known" if voxel is None else " x ".join(f"{v:.3g}" for v in voxel) + " mm"),
        Finding("sampling", "lines" if scan.mask.ndim == 1 else "2-D pattern", scan.mask_source),
        finding_of_acceleration(scan, "points over points acquired"),
        Finding("segments", "not known", "no clock or counter tells which lines were measured together"),
        Finding("sign", "plain transform", "arrays are taken as they are", "plain"),
        Finding("noise", "no noise scan", "" if noise is None else "in the file") if noise is None else
        Finding("noise", f"{noise.shape[1]} samples a coil", "in the file", {"samples": int(noise.shape[1])}),
        Finding("calibration", "the scan's own centre", "no separate calibration scan") if calibration is None else
        Finding("calibration", f"{calibration.shape[-2]} x {calibration.shape[-1]}, separate", "in the file",
                {"readout": int(calibration.shape[-2]), "phase_encode": int(calibration.shape[-1])}),
        Finding("geometry", known if oriented else "orientation not known", "directions and positions of the file"
                if oriented else "the file has no directions"),
    ]  # fmt: skip
