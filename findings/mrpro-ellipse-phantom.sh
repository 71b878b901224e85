#!/usr/bin/env bash
# mrpro 0.261015: `EllipsePhantom.kspace` multiplies k-space by the root of the number of points that it is asked for, so that the same point
# has another value in another set. It is meant for the unitary FFT of a full Cartesian grid, and is right for that. Every second line of
# the same grid has 0.71 of the values there, of which the exact image, through mrpro's own `FourierOp`, gives the full ones: what is
# reconstructed is 0.71 of the object. Frames asked for together are larger by the root of their number. At odd sizes `image_space`
# has the object one pixel beside the image of that k-space; of even sizes the two agree. `kdata` takes its values from `kspace`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "mrpro==0.261015" "torch==2.14.1" "torchvision==0.29.1" "ismrmrd==1.15.0" "numpy==2.4.6"
export OMP_NUM_THREADS=1 MPLBACKEND=agg
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import torch

warnings.simplefilter("ignore")
from mrpro.data import KTrajectory, SpatialDimension
from mrpro.operators import FourierOp
from mrpro.phantoms import EllipsePhantom
from mrpro.phantoms.phantom_elements import EllipseParameters

print("mrpro", version("mrpro"))
phantom = EllipsePhantom([EllipseParameters(center_x=0.2, center_y=0.1, radius_x=0.15, radius_y=0.2, intensity=1)])


def steps(n):
    return (torch.arange(n) - n // 2).float()


N = 128
k = steps(N)
full = phantom.kspace(k[:, None], k)
lines = {"all lines": k, "every second": k[::2], "every fourth": k[::4], "the first half": k[: N // 2]}
image = torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(full), norm="ortho"))
for name, ky in lines.items():
    asked = phantom.kspace(ky[:, None], k)
    same = full[(ky + N // 2).long()]
    ratio = float((asked / same)[:, N // 2].abs().mean())
    size = SpatialDimension(z=1, y=N, x=N)
    trajectory = KTrajectory(torch.zeros(1, 1, 1, 1, 1), ky[None, None, None, :, None], k[None, None, None, None, :])
    measured = FourierOp(size, size, trajectory)(image[None, None, None])[0][0, 0, 0]
    beside = float((asked / measured)[:, N // 2].abs().mean())
    wanted = (len(ky) / N) ** 0.5
    assert torch.equal(phantom.kdata(trajectory, size).data[0, 0, 0], asked)
    print(f"{name}: {ratio:.3f} of the same points in the full set, {beside:.3f} of FourierOp's of the full image; root of the share {wanted:.3f}")
    assert abs(ratio - wanted) < 1e-3 and abs(beside - wanted) < 1e-2, "points no longer depend on how many are asked for"
frames = phantom.kspace(k[None, :, None].repeat(16, 1, 1), k)
ratio = float((frames[0] / full)[:, N // 2].abs().mean())
print(f"16 frames at once: {ratio:.3f} of one frame alone")
assert abs(ratio - 4) < 1e-3

for n in (64, 65):
    kn = steps(n)
    found = torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(phantom.kspace(kn[:, None], kn)), norm="ortho")).abs()
    drawn = phantom.image_space(SpatialDimension(z=1, y=n, x=n))[0, 0, 0].abs()
    places = []
    for what in (found * (found > 0.3), drawn):
        at = steps(n)
        places.append([float((what.sum(1 - axis) * at).sum() / what.sum()) for axis in (0, 1)])
    apart = [drawn_at - found_at for found_at, drawn_at in zip(*places)]
    print(f"{n} pixels, centre in pixels from n // 2: of its k-space {places[0][0]:.2f}, {places[0][1]:.2f}; drawn {places[1][0]:.2f}, "
          f"{places[1][1]:.2f}; exact {0.1 * n:.2f}, {0.2 * n:.2f}")
    assert max(abs(shift - n % 2) for shift in apart) < 0.15, "the drawn image lies elsewhere now"
PY
venv/bin/python show.py
