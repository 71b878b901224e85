"""A feature space that needs no download: structure and detail.

Principal components of pixels alone are blind to noise and to blur, both of which lie in directions that hold little
of the variance. How strong the detail of an image is at each scale, direction and place sees both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_mri.metrics.distribution import Array, PrincipalFeatures

FEATURES = 64
"""Of the images; a quarter of them are of the detail."""
CELLS = 2
"""The strength of detail is taken in so many cells a side."""
SMALLEST = 8
"""Images are halved for as long as their shorter side has at least so many pixels."""
FAINTEST = 1e-2
"""Detail weaker than this share of the reference's root mean square is not told apart: about what eight bits show."""


@dataclass(frozen=True)
class PictureFeatures:
    """Principal components of the pixels, and of the logarithms of the strength of wavelet detail, equally weighted.

    The strength of detail by scale and direction is what describes a texture (Portilla and Simoncelli 2000,
    doi 10.1023/A:1026553619983, section 2.1, of which only the energies are kept); its logarithm counts ratios.
    """

    structure: PrincipalFeatures
    detail: PrincipalFeatures
    faintest: float
    """Added to every strength, in the units of the images."""

    @classmethod
    def fit(cls, images: NDArray[np.generic], count: int = FEATURES) -> "PictureFeatures":
        """Find both spaces on reference `images`, [image, y, x] or [image, channel, y, x].

        Complex images are taken by their magnitudes. Fewer than `count` are kept where there are fewer images.
        """
        faintest = FAINTEST * float(np.sqrt(np.mean(np.square(_real(images))))) or 1.0
        details = PrincipalFeatures.fit(strengths(images, faintest)[:, None], max(count // 4, 1))
        return cls(PrincipalFeatures.fit(images, count - count // 4), details, faintest)

    def __call__(self, images: NDArray[np.generic]) -> Array:
        """Features [image, feature] of `images` of the size they were found on."""
        return np.concatenate([self.structure(images), self.detail(strengths(images, self.faintest)[:, None])], axis=1)

    def parts(self, found: Array) -> tuple[Array, Array]:
        """Features [image, feature] of structure, and of detail."""
        count = len(self.structure.components)
        return found[:, :count], found[:, count:]

    @property
    def name(self) -> str:
        """Which they are."""
        kept = len(self.structure.components), len(self.detail.components)
        return f"{kept[0]} principal components of the reference's pixels and {kept[1]} of its detail"


def strengths(images: NDArray[np.generic], faintest: float) -> Array:
    """Logarithms of the root mean square of Haar detail, [image, scale x direction x cell].

    Parameters
    ----------
    images
        [image, y, x] or [image, channel, y, x]; the channels are taken together.
    faintest
        Added to the root mean square.
    """
    x = _real(images)
    x = x[:, None] if x.ndim == 3 else x
    found = []
    while min(x.shape[-2:]) >= SMALLEST:
        height, width = (n // 2 * 2 for n in x.shape[-2:])
        corners = [x[..., i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
        a, b, c, d = corners
        for detail in (a + b - c - d, a - b + c - d, a - b - c + d):
            energy = np.square(detail / 4).mean(1)
            for rows in np.array_split(energy, CELLS, axis=1):
                found += [np.sqrt(cell.mean((1, 2))) for cell in np.array_split(rows, CELLS, axis=2)]
        x = (a + b + c + d) / 4
    return np.log(np.stack(found, axis=1) + faintest) if found else np.zeros((len(x), 1))


def _real(images: NDArray[np.generic]) -> Array:
    return np.asarray(np.abs(images) if np.iscomplexobj(images) else images, dtype=np.float64)
