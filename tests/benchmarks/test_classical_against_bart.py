"""Classical reconstructions against `bart pics` for the same problem: time as a ratio, and the objective.

Both sides use the machine as they find it. BART's time includes its start and its files, which is what its users wait
for; ours is warm.
"""

import shutil
import subprocess
import time

import numpy as np
import pytest
import torch
from bart_files import read_cfl, write_cfl

from rsd_mri.machine.randomness import generator
from rsd_mri.operators import sense_operator
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.reconstruction.classical.methods import cg_sense, l1_wavelet, total_variation
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.simulation.simulate import draw_head, simulate_slice

BART = shutil.which("bart")
SIZE, WEIGHT = (256, 256), 0.005
CASES = {
    "cg-sense": (lambda a, y: cg_sense(a, y, regularisation=WEIGHT), f"-l2 -r {WEIGHT}"),
    "l1-wavelet": (lambda a, y: l1_wavelet(a, y, regularisation=WEIGHT), f"-l1 -r {WEIGHT}"),
    "tv": (lambda a, y: total_variation(a, y, regularisation=WEIGHT), f"-R T:3:0:{WEIGHT}"),
}


@pytest.mark.skipif(BART is None, reason="no BART")
@pytest.mark.parametrize("method", CASES)
def test_against_bart_pics(method, benchmark, tmp_path):
    ours, flags = CASES[method]
    settings = DataSettings(slices=1, coils=8)
    head = draw_head(1, "benchmark", settings.slices, settings.coils, contrast="T1", plane="axial")
    clean, csm, image = simulate_slice(head, 0, SIZE)
    mask = draw_mask(MaskSettings(acceleration=4, acs_lines=20), SIZE, generator(1, "mask")).mask
    operator = sense_operator(csm[None], mask)
    noise = torch.randn(clean.shape, generator=generator(1, "noise"), dtype=torch.complex64)
    kspace = operator.sampling((clean + 0.02 * noise)[None])
    for name, array in (("kspace", kspace[0]), ("csm", csm)):
        write_cfl(tmp_path / name, array.numpy().transpose(1, 2, 0)[:, :, None])
    command = f"bart pics {flags} -S -w 1 {tmp_path}/kspace {tmp_path}/csm {tmp_path}/image"
    theirs = []
    for _ in range(3):
        begun = time.perf_counter()
        subprocess.run(command.split(), check=True, capture_output=True)
        theirs.append(time.perf_counter() - begun)
    bart = read_cfl(tmp_path / "image")
    found = benchmark.pedantic(ours, args=(operator, kspace), rounds=3, warmup_rounds=1)
    seconds = benchmark.stats.stats.min
    error = {
        name: 20 * np.log10(float(image.abs().max()) / np.sqrt(np.mean((np.abs(x) - image.abs().numpy()) ** 2)))
        for name, x in (("ours", found[0].numpy()), ("bart", bart))
    }
    print(
        f"\n{method}: ours {seconds:.2f} s, bart {min(theirs):.2f} s, ratio {seconds / min(theirs):.2f}; "
        f"PSNR ours {error['ours']:.2f} dB, bart {error['bart']:.2f} dB"
    )
    assert error["ours"] > error["bart"] - 0.5
