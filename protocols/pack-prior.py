"""Make the networks of a run small enough for the package: half precision, a few of the coil maps.

Run with: python protocols/pack-prior.py RUN FOLDER [teacher] [denoiser] [guide] [generator] [judges]
"""

import sys
from pathlib import Path

from rsd_mri.priors.prior import BANK
from rsd_mri.training.checkpoint import load_tensors, save_tensors

MAPS = 16
CHECKPOINT = "checkpoint/generator.safetensors"


def main(run: Path, folder: Path, kinds: list[str]) -> None:
    """Write the networks named; a generator with the coil maps and noise levels that it is told of.

    `judges` are the fake score and the critic that know its images, for `train --stage generator --from FOLDER`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if "judges" in kinds:
        tensors, metadata = load_tensors(run / CHECKPOINT)
        (folder / CHECKPOINT).parent.mkdir(exist_ok=True)
        kept = {k: v.half() for k, v in tensors.items() if k.startswith(("module/fake/", "module/critic/"))}
        save_tensors(folder / CHECKPOINT, kept, metadata)
    for kind in [kind for kind in kinds if kind != "judges"]:
        tensors, metadata = load_tensors(run / f"{kind}.safetensors")
        save_tensors(folder / f"{kind}.safetensors", {k: v.half() for k, v in tensors.items()}, metadata)
    if "generator" in kinds:
        tensors, metadata = load_tensors(run / BANK)
        chosen = slice(None, None, -(-len(tensors["csm"]) // MAPS))
        save_tensors(folder / BANK, {"csm": tensors["csm"][chosen].half(), "sigma": tensors["sigma"]}, metadata)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
