"""Networks and images that all sides share, made once in the output folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .quaver import Quaver

ARCHITECTURES = ["lenet5", "lenet-caffe"]
TOPOLOGIES = ["full-precision", "bnn"]
EPOCHS = 2
N_IMAGES, N_JSMA = 10_000, 500


@dataclass
class Setting:
    """What is compared, and where it lies."""

    quaver: Quaver
    out: Path
    data: list[str]
    seconds: float
    full: bool
    # Architectures with topologies that are compared.
    cases: list[tuple[str, str]]

    def images(self, n):
        """The first `n` test images as a file."""
        return str(self.out / f"images-{n}.npz")

    def model(self, arch, topology, dropout):
        """A model file; beside it lie its graph (.json) and weights (.safetensors)."""
        return str(self.out / f"{arch}-{topology}-{'dropout' if dropout else 'plain'}")

    def prepare(self, say):
        """Makes what is missing."""
        self.out.mkdir(parents=True, exist_ok=True)
        for n in (500, 1_000, N_IMAGES):
            self.make(self.images(n), say, "data", "export", *self.data, "--n", n)
        self.targets()
        for arch, topology in self.cases:
            self.networks(arch, topology, say)

    def make(self, path, say, *command):
        """Runs a command that writes `path`, unless it is there."""
        if not Path(path).exists():
            say(f"making {Path(path).name}")
            self.quaver.process(*command, "--out", path, "--quiet")

    def targets(self):
        """The images of JSMA: each with another class to reach."""
        path = self.out / f"images-{N_JSMA}-targets.npz"
        arrays = dict(np.load(self.images(N_JSMA)))
        other = np.random.default_rng(0).integers(1, 10, len(arrays["y"]))
        arrays["target"] = (arrays["y"] + other) % 10
        np.savez(path, **arrays)

    @property
    def target_images(self):
        return str(self.out / f"images-{N_JSMA}-targets.npz")

    def networks(self, arch, topology, say):
        """The same weights with dropout, and without for those peers that leave it out."""
        dropout = self.model(arch, topology, True)
        plain = self.model(arch, topology, False)
        network = ["--arch", arch, "--topology", topology]
        self.make(dropout, say, "train", *network, *self.data, "--epochs", EPOCHS)
        weights = f"{dropout}.safetensors"
        self.make(weights, say, "model", "export", dropout)
        self.make(plain, say, "model", "import", weights, *network, "--dropout", 0)
        for model in (dropout, plain):
            self.make(f"{model}.safetensors", say, "model", "export", model)
            graph = self.quaver.json("model", "show", model)
            Path(f"{model}.json").write_text(json.dumps(graph))
