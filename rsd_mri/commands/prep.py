"""`rsd-mri prep`: raw scans, or pictures, to what is trained on."""

from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Optional

import typer

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.commands.console import Bar, refusing
from rsd_mri.commands.groups import grouped
from rsd_mri.commands.options import (
    AnswerOptions,
    JsonOption,
    ProtocolOption,
    SetOption,
    SharingOptions,
    existing,
    pairs_of,
    protocol_of,
)
from rsd_mri.commands.output import result, say
from rsd_mri.errors import InputError

OF_SCANS, OF_PICTURES = ("prep.*", "mask.*"), ("data.matrix",)
"""What is taken of a protocol to prepare scans, and pictures."""


@grouped
def prep(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A raw scan or a folder of them.")],
    *,
    out: Annotated[Optional[Path], typer.Option(help="Default: SRC with -prepared added.")] = None,
    protocol: ProtocolOption = None,
    assignments: SetOption = None,
    sharing: SharingOptions,
    dry_run: Annotated[bool, typer.Option(help="Say what would be done, and the memory it takes.")] = False,
    user: AnswerOptions,
    json: JsonOption = False,
) -> None:
    """Prepare raw scans: whitening, coil compression, ESPIRiT maps, scale. Does only what is missing.

    With a protocol of natural images: cut and resize a folder or archive of pictures.
    Example: rsd-mri prep scans/ --workers 2
    """
    with refusing():
        sharing.require_one()
        chosen = protocol_of(protocol, None, assignments)
        of_scans = chosen.corruption.kind == "undersampling"
        _require_use(assignments, OF_SCANS if of_scans else OF_PICTURES)
        if not of_scans:
            from data_prep.downloads import how_to_get
            from data_prep.images import prepare_images

            if not source.exists() and (advice := how_to_get(chosen.name)):
                raise InputError(f"{source}: no such file or folder. {advice}")
            asked = {
                "--dry-run": dry_run,
                "--workers": sharing.workers > 1,
                "--scheduler": sharing.scheduler,
                "--shard": sharing.shard,
                **{f"--{name.replace('_', '-')}": value for name, value in asdict(user).items()},
            }
            if foreign := [name for name, value in asked.items() if value]:
                raise InputError(f"{' and '.join(foreign)}: of raw scans; protocol '{chosen.name}' prepares pictures")
            target = out or source.with_name(source.name.split(".")[0] + "-prepared")
            found = prepare_images(existing(source, "file or folder"), target, chosen.data.matrix)
            line = f"{found.images} images of {found.side}x{found.side} pixels in {found.out}"
            result([line], asdict(found), json)
            return
        from data_prep import prepare_folder

        with Bar("preparing") as bar:
            manifest = prepare_folder(
                existing(source, "file or folder", of_scans=True),
                out,
                chosen,
                sharing.workers,
                sharing.scheduler,
                sharing.part(),
                dry_run,
                bar.progress,
                user.answers(),
            )
        for failure in manifest.failures():
            say(f"Error: {failure}")
        counts = manifest.counts
        lines = [
            f"{counts['volumes_done']} scans prepared ({counts['volumes_made_now']} now), "
            f"{counts['volumes_failed']} failed, {counts['volumes_missing']} missing; "
            f"slices: {counts['slices_done']} done, {counts['slices_skipped']} skipped, "
            f"{counts['slices_failed']} failed",
            f"prepared files, pictures of their maps and manifest.json in {manifest.out}; "
            f"at most {manifest.peak_bytes / 2**20:.0f} MiB "
            f"of memory. {NOT_FOR_DIAGNOSTIC_USE}",
        ]
        values = {**manifest.as_dict(), "out": str(manifest.out), "peak_bytes": manifest.peak_bytes}
        result(lines, values, json)
        if manifest.failed:
            raise typer.Exit(1 if counts["volumes_done"] else 2)


def _require_use(assignments: list[str] | None, taken: tuple[str, ...]) -> None:
    """Refuse `--set` of what is not taken of a protocol here."""
    for key in pairs_of(assignments):
        if key != "corruption.kind" and not any(fnmatch(key, one) for one in taken):
            raise InputError(f"--set {key}: changes nothing of what is prepared; expected {' or '.join(taken)}")
