"""The MNIST files."""

import gzip

import numpy as np


def images_and_labels(folder, split):
    """`split` is train or t10k. Pixels in [0, 1], (n, 1, 28, 28), and labels."""
    read = lambda name: gzip.decompress((folder / f"{split}-{name}-ubyte.gz").read_bytes())
    x = np.frombuffer(read("images-idx3"), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    y = np.frombuffer(read("labels-idx1"), np.uint8, offset=8)
    return (x / 255).astype(np.float32), y.astype(np.int64)
