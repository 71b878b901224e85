"""Complex and real layers, and the U-Net made of them."""
