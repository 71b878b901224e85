"""A learned rival: an unrolled network trained by deepinv's measurement splitting on undersampled scans.

MoDL (Aggarwal et al. 2019, doi:10.1109/TMI.2018.2865356) trained as SSDU (Yaman et al. 2020, doi:10.1002/mrm.28378): a
part of the acquired points goes in, the loss is on the others, and no full scan is seen. The parts are drawn with
Gaussian weights, as there. One network for all accelerations; it knows one set of maps.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rsd_mri.bench.peers import DEEPINV_ABSENT, Peer, deepinv_kspace, deepinv_physics
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.randomness import generator
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.training.checkpoint import load_tensors, load_weights, save_tensors

NAME = "deepinv MoDL by SSDU, one set"
FILE = "rival.safetensors"
UNROLLED, DEPTH, WIDTH = 4, 5, 48
INPUT_SHARE = 0.6
"""Of the acquired points that goes into the network; the published choice."""
RATE = 1e-3


@dataclass(frozen=True)
class Training:
    """How a rival was trained."""

    minutes: float
    steps: int
    slices: int
    seed: int


def untrained(seed: int) -> nn.Module:
    """The network before its training."""
    from deepinv.models import DnCNN, MoDL

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found: nn.Module = MoDL(DnCNN(2, 2, depth=DEPTH, nf=WIDTH, pretrained=None), num_iter=UNROLLED)
        return found


def train_rival(path: Path, slices: Sequence[PreparedSlice], minutes: float, seed: int, progress: Progress) -> Path:
    """Train for a stated time and store the weights.

    Parameters
    ----------
    path
        To write.
    slices
        Undersampled; nothing else of them is used than what was acquired.
    minutes
        Of training, the preparation of the scans not counted.
    seed
        Of weights, order and parts.
    progress
        Told the share done.
    """
    from deepinv.loss import SplittingLoss
    from deepinv.physics.generator import GaussianSplittingMaskGenerator

    net = untrained(seed)
    problems = [(deepinv_physics(one), deepinv_kspace(one)) for one in slices]
    rng = generator(seed, "rival")
    size = slices[0].kspace.shape[-2:]
    parts = GaussianSplittingMaskGenerator(
        (2, *size), INPUT_SHARE, center_block=4, rng=torch.Generator().manual_seed(seed)
    )
    loss = SplittingLoss(mask_generator=parts, eval_split_input=False)
    model = loss.adapt_model(net).train()
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    begun, steps, done = time.perf_counter(), 0, 0.0
    while done < 1:
        physics, kspace = problems[int(torch.randint(len(problems), (1,), generator=rng))]
        for group in optimizer.param_groups:  # to zero at the end: a short training ends where it is quiet
            group["lr"] = RATE * (1 - done)
        value = loss(model(kspace, physics, update_parameters=True), kspace, physics, model).mean()
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        steps += 1
        done = min((time.perf_counter() - begun) / (60 * minutes), 1.0)
        progress(done)
    about = {"kind": "rival", **asdict(Training(minutes, steps, len(slices), seed))}
    # The library names some parameters twice; a file of weights holds no two views of one tensor.
    save_tensors(path, {name: value.clone() for name, value in net.state_dict().items()}, about)
    return path


def load_rival(path: Path) -> tuple[Peer, Training]:
    """The trained network as a peer, and how it was trained.

    Raises
    ------
    InputError
        If the file holds something else.
    """
    tensors, about = load_tensors(path)
    if about.get("kind") != "rival":
        raise InputError(f"{path}: expected the weights of a rival, found '{about.get('kind')}'")
    net = untrained(0)
    load_weights(net, tensors, str(path))
    net.eval()

    @torch.no_grad()
    def run(one: PreparedSlice, weight: float) -> tuple[NDArray[np.complex64], float | None]:  # noqa: ARG001
        made: Tensor = net(deepinv_kspace(one), deepinv_physics(one))
        return torch.view_as_complex(made[0].moveaxis(0, -1).contiguous()).numpy(), None

    return Peer(NAME, "", "", run), Training(**{one.name: about[one.name] for one in fields(Training)})


def rival_of(
    folder: Path,
    scans: Callable[[], Sequence[PreparedSlice]],
    minutes: float,
    seed: int,
    progress: Progress = SILENT,
) -> tuple[Peer, str]:
    """Train the rival of a run folder once, or take the one that is there.

    Parameters
    ----------
    folder
        Of the bench.
    scans
        Gives the undersampled slices to train on.
    minutes, seed, progress
        As for `train_rival`.

    Returns
    -------
    peer, sentence
        The second says how it was trained; empty where there is none.
    """
    if DEEPINV_ABSENT:
        return Peer(NAME, DEEPINV_ABSENT, "", _nothing), ""
    path = folder / FILE
    if not path.is_file() or load_tensors(path)[1].get("minutes") != minutes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the other library, about its own defaults
            train_rival(path, scans(), minutes, seed, progress)
    peer, about = load_rival(path)
    return peer, (
        f"{NAME}: {UNROLLED} unrolled iterations, trained {about.minutes:g} minutes ({about.steps} steps) on "
        f"{about.slices} undersampled simulated slices, seed {about.seed}."
    )


def _nothing(one: PreparedSlice, weight: float) -> tuple[NDArray[np.complex64], float | None]:
    raise InputError(f"{one}, {weight}: {DEEPINV_ABSENT}")
