"""What `rsd-mri --help` says: the commands and what they share, a row each. Nothing slow is imported for it."""

import shutil
from collections.abc import Iterable
from textwrap import wrap
from typing import NamedTuple

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE


class Row(NamedTuple):
    """A command: the function, or the group of functions, of its name in `rsd_mri.commands.MODULE`."""

    name: str
    module: str
    about: str
    """What the list of commands says of it, in one line; its docstring is what its own `--help` says."""


ROWS = (
    Row("train", "train", "Train a teacher on undersampled data, and its generator."),
    Row("recon", "recon", "Reconstruct scans, with uncertainty where the method has it."),
    Row("calibrate", "recon", "Scale intervals until they cover the errors in full scans."),
    Row("doctor", "doctor", "Say what is installed, missing, and there to compute on."),
    Row("restore", "restore", "Denoise, fill in, deblur or enlarge pictures."),
    Row("evaluate", "evaluate", "PSNR, SSIM, NMSE of reconstructions; FID of sets of images."),
    Row("serve", "serve", "Reconstruct while the scanner measures: an MRD server."),
    Row("send", "serve", "Send a scan to an MRD server as a scanner would."),
    Row("openrecon", "serve", "Write what a scanner's console needs to run the server."),
    Row("simulate", "simulate", "Simulate multi-coil brain scans in fastMRI's layout."),
    Row("prep", "prep", "Prepare raw scans: whitening, coil compression, maps, scale."),
    Row("inspect", "inspect", "Say what was understood of a scan, and every conflict in it."),
    Row("generate", "generate", "Generate complex images, and a contact sheet beside them."),
    Row("protocols", "protocols", "List the protocols, or print one with every value."),
    Row("demo", "demo", "Walk the whole path on simulated brains, scan to page."),
    Row("bench", "bench", "List and run the published experiments, tabulate the results."),
)
"""In the order of `--help`."""
PURPOSE = "Generative models for multi-coil MRI, learned from undersampled and noisy scans only."
EXAMPLES = "Examples: rsd-mri demo --fast, rsd-mri inspect scan.h5, rsd-mri recon scan.h5 --samples 4 --report"
DEBUG = "Show tracebacks."
VERSION = "Print the version."
OPTIONS = (
    ("--debug / --no-debug", f"{DEBUG}  [default: no-debug]"),
    ("--version", VERSION),
    ("--install-completion", "Install completion for the current shell."),
    ("--show-completion", "Show completion for the current shell, to copy it or customize the installation."),
    ("--help", "Show this message and exit."),
)
"""Those before the name of a command."""


def help_text() -> str:
    """What `rsd-mri --help` says, as wide as the terminal is, from 50 to 78 columns."""
    width = max(min(shutil.get_terminal_size().columns, 80) - 2, 50)
    paragraphs = (f"{PURPOSE} {NOT_FOR_DIAGNOSTIC_USE}", EXAMPLES)
    told = [wrap(part, width, initial_indent="  ", subsequent_indent="  ") for part in paragraphs]
    lines = ["Usage: rsd-mri [OPTIONS] COMMAND [ARGS]...", *(line for part in told for line in ("", *part))]
    lines += ["", "Options:", *_columns(OPTIONS, width)]
    lines += ["", "Commands:", *_columns(((row.name, row.about) for row in ROWS), width)]
    return "\n".join(lines) + "\n"


def _columns(rows: Iterable[tuple[str, str]], width: int) -> list[str]:
    """Names to the left, what is said of them to the right."""
    rows = list(rows)
    left = max(len(name) for name, _ in rows) + 4
    lines = []
    for name, about in rows:
        first, *more = wrap(about, width - left)
        lines += [f"  {name}".ljust(left) + first, *(" " * left + line for line in more)]
    return lines
