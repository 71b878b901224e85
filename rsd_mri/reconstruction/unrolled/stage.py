"""Training of the unrolled network, as the training loop runs it."""

from collections.abc import Callable, Mapping, Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from rsd_mri.diffusion.denoiser import per_item_mean, squared
from rsd_mri.protocol import ReconstructorSettings
from rsd_mri.reconstruction.unrolled.examples import RestoredScans, Scans
from rsd_mri.reconstruction.unrolled.network import Estimate, Unrolled
from rsd_mri.training.descent import ItemLosses, descend, ramps, set_learning_rate
from rsd_mri.training.ema import averaged_copy
from rsd_mri.training.stage import Stage

Finish = Callable[[nn.Module, dict[str, float]], None]
EARLIER = 0.3
"""Weight of the error after the calls before the last, all together."""


def losses(found: Sequence[Estimate], truth: Tensor, support: Tensor, spread_weight: float) -> Tensor:
    """Error of the images and likelihood of their standard deviation, [item].

    The logarithm of each scan's mean square error makes scans of all rates and noise levels count the same: it is
    their PSNR. The posterior mean has the least of it as long as a scan has many pixels.

    Parameters
    ----------
    found
        After each call.
    truth
        [item, (set,) readout, phase_encode].
    support
        Where the maps are known, boolean, of the same shape.
    spread_weight
        Of the negative log-likelihood of complex Gaussian errors with the standard deviation given.
    """
    total = truth.real.new_zeros(len(truth))
    inside = per_item_mean(support.float()).clamp_min(1e-3)
    for number, one in enumerate(found, start=1):
        error = squared(one.image - truth) * support
        mean = per_item_mean(error) / inside
        weight = 1.0 if number == len(found) else EARLIER / (len(found) - 1)
        variance = one.std.square()
        # The spread follows the error; the image is not to follow the spread.
        likelihood = per_item_mean((variance.log() + error.detach() / variance) * support) / inside
        total = total + weight * ((mean + 1e-7).log() + spread_weight * likelihood)
    return total


class ReconstructorStage(Stage):
    """Scans of restored images; the images are the targets.

    Parameters
    ----------
    model
        With the weights it begins with.
    scans
        What it learns from.
    settings
        Of the protocol.
    fabric
        Launched.
    finish
        Writes the result.
    """

    name = "reconstructor"

    def __init__(
        self, model: Unrolled, scans: RestoredScans, settings: ReconstructorSettings, fabric: Fabric, finish: Finish
    ) -> None:
        self.settings, self.scans, self._finish = settings, scans, finish
        self.batch = settings.batch
        model = model.to(fabric.device)
        self._average = averaged_copy(model)
        self.averages: dict[str, nn.Module] = {self.name: self._average}
        optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
        self._module, optimizer = fabric.setup(model, optimizer)
        self.modules: dict[str, nn.Module] = {self.name: self._module}
        self.optimizers = {self.name: optimizer}

    def draw(self, positions: Sequence[int]) -> Scans:
        """The scans of some running numbers."""
        return self.scans.batch(positions[0] // self.batch, positions)

    def step(self, fabric: Fabric, parts: Sequence[Scans], images: int) -> Mapping[str, ItemLosses]:
        """One update."""
        s, optimizer = self.settings, self.optimizers[self.name]
        self._module.train()
        set_learning_rate(optimizer, s.learning_rate * ramps(images, s.images, s.warmup, s.cooldown))

        def losses_of(part: Scans) -> ItemLosses:
            scans = part.to(fabric.device)
            support = (scans.operator.csm != 0).any(-3)
            found = self._module(scans.operator, scans.kspace, scans.sigma, s.iterations)
            return ItemLosses(losses(found, scans.images, support, s.spread_weight), scans.sigma, scans.keys)

        where = f"{self.name} after {images} scans"
        return {f"{self.name} loss": descend(fabric, self._module, optimizer, parts, losses_of, s.grad_clip, where)}

    @torch.no_grad()
    def preview(self, count: int) -> Tensor:
        """Reconstructions by the averaged network."""
        device = next(self._average.parameters()).device
        scans = self.scans.batch(0, range(count)).to(device)
        image: Tensor = self._average(scans.operator, scans.kspace, scans.sigma, self.settings.iterations)[-1].image
        return image.abs() if image.ndim == 3 else image[:, 0].abs()

    def finish(self, found: Mapping[str, float]) -> None:
        """Hand over the averaged network."""
        self._finish(self._average, dict(found))
