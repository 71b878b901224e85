"""Complex and real layers, and the U-Net made of them."""

from rsd_mri.networks.layers import to_channels as to_channels
from rsd_mri.networks.layers import to_complex as to_complex
from rsd_mri.networks.unet import UNet as UNet
