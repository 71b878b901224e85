"""From the card of the bench of lesions to the table beside the prior, which the report page quotes.

Run with: python protocols/lesions.py CARD.json OUT.json
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rsd_mri.bench.lesion_sites import LESIONS
from rsd_mri.priors.lesions import Lesions


def main(card: Path, out: Path) -> None:
    """Take what the learned methods hid."""
    rows = [
        Lesions(
            one["method"],
            one["acceleration"],
            one["size"],
            LESIONS[one["size"]],
            one["lesions"],
            round(one["hidden"], 3),
        )
        for one in json.loads(card.read_text(encoding="utf-8"))["rows"]
        if one["method"] in ("posterior", "one-step")
    ]
    out.write_text(json.dumps([asdict(one) for one in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
