"""A training step against that of an earlier build, in turns: images a second, and the losses.

Run with: pytest tests/benchmarks/test_training_step.py --override-ini addopts= -s
EARLIER names another commit than the last one whose training convolved directly.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EARLIER = os.environ.get("EARLIER", "0ab3a50")
STEPS = """
import sys, time
import torch
from rsd_mri.networks import UNet
from rsd_mri.protocol import NetworkSettings
torch.set_num_threads(1)
torch.manual_seed(0)
net = UNet(NetworkSettings(field="complex", channels=24), channels=1)
if sys.argv[1] == "last":
    net = net.to(memory_format=torch.channels_last)
optimizer = torch.optim.Adam(net.parameters(), 1e-4)
x = torch.randn(8, 2, 64, 64)
times, losses = [], []
for _ in range(6):
    begun = time.process_time()
    optimizer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=sys.argv[2] == "half"):
        out = net(x, torch.zeros(8))
    loss = (out.float() - x).square().mean()
    loss.backward()
    optimizer.step()
    times.append(time.process_time() - begun)
    losses.append(float(loss))
print(8 / min(times[1:]), losses[-1])
"""


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier") / "build"
    git = ["git", "-C", str(ROOT), "worktree"]
    if subprocess.run([*git, "add", "--detach", str(folder), EARLIER], capture_output=True, check=False).returncode:
        pytest.skip(f"no commit {EARLIER}")
    yield folder
    subprocess.run([*git, "remove", "--force", str(folder)], check=True, capture_output=True)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("half", ["half", "single"])
def test_a_training_step_against_an_earlier_build(earlier, half):
    found = {}
    for _ in range(2):
        for name, build, layout in (("earlier", earlier, "first"), ("now", ROOT, "last")):
            done = subprocess.run(
                [sys.executable, "-c", STEPS, layout, half], env=os.environ | {"PYTHONPATH": str(build)}, cwd=build,
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            speed, loss = map(float, done.stdout.split())
            found[name] = max(found.get(name, (0.0, loss)), (speed, loss))
    (before, old), (now, new) = found["earlier"], found["now"]
    print(f"\n{half}: {now:.1f} images/s, {now / before:.2f} of {EARLIER} (aim: 1.5); loss {new:.5f}, was {old:.5f}")
    assert new == pytest.approx(old, rel=0.02)
