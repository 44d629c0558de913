"""Any sequence of frames (channels, height, width), in PyTorch. Knows no music."""
