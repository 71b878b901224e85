"""Run a trial of `trials.py` in an earlier build and in this one, and show the figures side by side.

    python docs/before_after.py v0.1.0 -- every-scan
    python docs/before_after.py HEAD~3 -- every-scan tv posterior

The earlier build is checked out into a folder of its own; the trial, its scans and its judge are those of this build.
Where a name that they use was elsewhere in the earlier build, it is refused with that name.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINE = re.compile(r"(?P<what>.+): (?P<values>[-\d., ]+) dB")


def figures(build: Path, trial: list[str]) -> dict[str, list[float]]:
    """What a trial says in a build: the figures of each of its lines."""
    environment = os.environ | {"PYTHONPATH": str(build)}
    command = [sys.executable, str(ROOT / "docs" / "trials.py"), *trial]
    done = subprocess.run(command, env=environment, cwd=build, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{build}: {done.stderr.strip().splitlines()[-1]}")
    found = [match for match in map(LINE.fullmatch, done.stdout.splitlines()) if match]
    return {match["what"]: [float(value) for value in match["values"].split(",")] for match in found}


def table(before: dict[str, list[float]], after: dict[str, list[float]]) -> list[str]:
    """One line of Markdown a line of the trial."""
    lines = ["| scan | before [dB] | after [dB] | gain [dB] |", "| --- | ---: | ---: | ---: |"]
    for what in [what for what in after if what in before]:
        gains = [b - a for a, b in zip(before[what], after[what], strict=True)]
        columns = [", ".join(f"{v:{form}}" for v in values) for values, form in (
            (before[what], ".2f"), (after[what], ".2f"), (gains, "+.2f"),
        )]  # fmt: skip
        lines.append(f"| {what} | {' | '.join(columns)} |")
    return lines


def main(arguments: list[str]) -> None:
    """Check the earlier build out, run both, print the table."""
    if len(arguments) < 3 or arguments[1] != "--":
        sys.exit("usage: python docs/before_after.py COMMIT -- TRIAL [ARGUMENT...]")
    commit, trial = arguments[0], arguments[2:]
    with tempfile.TemporaryDirectory() as folder:
        earlier = Path(folder) / "earlier"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(earlier), commit], check=True)
        try:
            rows = table(figures(earlier, trial), figures(ROOT, trial))
        finally:
            subprocess.run([*git, "remove", "--force", str(earlier)], check=True)
    sys.stdout.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
