"""From what the bench of lesions wrote to what lies beside the prior, which the report page quotes and shows.

Run with: python protocols/lesions.py BENCH PRIOR (folders): writes lesions.json and a picture for each
method and acceleration.
"""

import json
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path

from PIL import Image

from rsd_mri.bench.bench import CARD
from rsd_mri.bench.lesion_picture import page_picture
from rsd_mri.bench.lesion_sites import LESIONS
from rsd_mri.bench.lesion_store import load_case
from rsd_mri.files import write_json
from rsd_mri.priors.lesions import FILE, Lesions, lesion_checks
from rsd_mri.results.spots import PICTURE

METHODS = ("posterior", "one-step")
"""Those that a prior serves."""


def main(bench: Path, prior: Path) -> None:
    """Take what the learned methods hid, and of each one lesion that was hidden and one that was kept."""
    rows = [
        Lesions(
            one["method"],
            one["acceleration"],
            one["size"],
            LESIONS[one["size"]],
            one["lesions"],
            round(one["hidden"], 3),
        )
        for one in json.loads((bench / CARD).read_text(encoding="utf-8"))["rows"]
        if one["method"] in METHODS
    ]
    write_json(prior / FILE, [asdict(one) for one in rows])
    cases = [made for path in sorted(bench.glob("case-*.npz")) if (made := load_case(path, None)) is not None]
    readings, examples = ([one for case in cases for one in case[kind]] for kind in (0, 1))
    for method, acceleration in product(METHODS, sorted({one.acceleration for one in rows})):
        found = lesion_checks(rows, method, acceleration)
        sizes = found["lesion_lost"], found.get("lesion_least")
        picture = page_picture(readings, examples, method, acceleration, *sizes)
        if picture is not None:
            Image.fromarray(picture).save(prior / PICTURE.format(method, acceleration), optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
