"""Radial and spiral scans against BART for the same problem: A^H A, L1-wavelet and the posterior, in one run.

Times are of processors, so that other work does not count. BART's include its start and its files, which is what its
users wait for; ours are warm.
"""

import resource
import shutil
import subprocess
import time

import numpy as np
import pytest
import torch
from bart_files import read_cfl, write_cfl

from rsd_mri.api.scans import simulate
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.reconstruction.classical.methods import l1_wavelet
from rsd_mri.reconstruction.finish import as_operator
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.reconstruct import reconstruct_scan

pytest.importorskip("mrinufft")
pytest.importorskip("finufft")
WEIGHTS = (0.001, 0.003, 0.01)
GRAMS = 5
"""Applications of A^H A that are timed."""


def seconds(words, folder):
    begun = of_children()
    subprocess.run(["bart", *words.split()], cwd=folder, check=True, capture_output=True)
    return of_children() - begun


def of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.skipif(shutil.which("bart") is None, reason="no BART")
@pytest.mark.parametrize("kind", ["radial", "spiral"])
def test_against_bart(kind, benchmark, tmp_path):
    scan, truth = simulate(4, trajectory=kind, plane="axial")
    prepared = PreparedScan.of(scan)
    one = prepared[0]
    operator, kspace = as_operator([one], torch.device("cpu"))
    points = one.trajectory
    write_cfl(tmp_path / "t", np.concatenate([points, 0 * points[..., :1]], -1).transpose(2, 0, 1))
    write_cfl(tmp_path / "k", one.kspace.transpose(1, 2, 0)[None])
    write_cfl(tmp_path / "s", one.csm.transpose(1, 2, 0)[:, :, None])
    image = torch.from_numpy(one.image)[None]
    write_cfl(tmp_path / "c", operator.coils(image)[0].permute(1, 2, 0).numpy()[:, :, None])
    back = torch.from_numpy(one.back)

    def psnr(found):
        physical = torch.einsum("pv,vyx->pyx", back, operator.coils(found)[0])
        made, reference = physical.abs().square().sum(0).sqrt().numpy(), np.abs(truth[0])
        return 20 * np.log10(reference.max() / np.sqrt(np.mean((made - reference) ** 2)))

    size = f"{one.size[0]}:{one.size[1]}:1"
    theirs = seconds("nufft t c y", tmp_path) + seconds(f"nufft -a -d{size} t y z", tmp_path)
    gram = operator.gram
    gram(image)
    begun = time.process_time()
    for _ in range(GRAMS):
        gram(image)
    ours = (time.process_time() - begun) / GRAMS
    found = []
    for weight in WEIGHTS:
        took = seconds(f"pics -l1 -r {weight} -e -S -w 1 -i 100 -t t k s x", tmp_path)
        x = read_cfl(tmp_path / "x")
        found.append((psnr(torch.from_numpy(x.copy())[None]), weight, took))
    mine = benchmark.pedantic(l1_wavelet, args=(operator, kspace, one.sigma), rounds=2, warmup_rounds=1)
    best = max(found)
    posterior = reconstruct_scan(prepared, method_of("posterior", samples=2)).magnitude[0]
    learned = 20 * np.log10(np.abs(truth[0]).max() / np.sqrt(np.mean((posterior - np.abs(truth[0])) ** 2)))
    print(
        f"\n{kind}: gram {ours:.3f} s, BART forward and adjoint {theirs:.3f} s; L1-wavelet {psnr(mine):.2f} dB in "
        f"{benchmark.stats.stats.min:.2f} s, BART's best {best[0]:.2f} dB (weight {best[1]}) in {best[2]:.2f} s; "
        f"posterior, mean of two, {learned:.2f} dB"
    )
    assert ours < theirs
    assert psnr(mine) > best[0] - 0.5
    assert learned > best[0] + 1
