"""What is said: results on stdout, all else on stderr."""

import os
import sys
from typing import Any

from rsd_mri.errors import InputError


def say(text: str) -> None:
    """Write a line to stderr; a log that cannot be written, as on a full disk, changes nothing that was done."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except OSError:
        # What is left cannot be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def log(text: str) -> None:
    """Write a line to stderr where a person is watching."""
    if sys.stderr.isatty():
        say(text)


def result(lines: list[str], values: dict[str, Any], as_json: bool) -> None:
    """Write the result to stdout; with `--json` the last line is one JSON object."""
    try:
        for line in lines:
            sys.stdout.write(line + "\n")
        if as_json:
            import json

            from rsd_mri.about.plain import finite

            sys.stdout.write(json.dumps(finite(values), default=str) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left cannot be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise InputError(f"the result cannot be written to standard output ({error.strerror})") from error
