"""The residual network of 20 layers for CIFAR-10, from PyTorch through the command line.

    python resnet20.py QUAVER

exports it with random weights and statistics by both of PyTorch's exporters, imports it, puts
dropout back, and compares logits, gradient and PGD on random images of 3 x 32 x 32 with PyTorch;
then runs 50 passes. Exit code 1 if something differs.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from parity import Quaver
from references import Block, export

N = 16
EPS, STEP, STEPS = 8 / 255, 2 / 255, 10


def resnet20():
    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    width = 16
    for outputs in [16, 32, 64]:
        for _ in range(3):
            layers.append(Block(width, outputs, 1 if width == outputs else 2))
            width = outputs
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    return net.eval()


def gradient(net, x, y):
    x = x.clone().requires_grad_()
    F.cross_entropy(net(x), y, reduction="sum").backward()
    return x.grad


def pgd(net, x, y, start):
    z = start
    for _ in range(STEPS):
        z = (z + STEP * gradient(net, z, y).sign()).clamp(0, 1)
        z = torch.minimum(torch.maximum(z, x - EPS), x + EPS)
    return z


def relative(ours, theirs):
    """Largest difference of any image, by the image's largest number."""
    ours, theirs = ours.reshape(N, -1), theirs.numpy().reshape(N, -1)
    return (np.abs(ours - theirs).max(1) / np.abs(theirs).max(1)).max()


def check(quaver, net, dynamo):
    file, model, images = (quaver.folder / name for name in ["net.onnx", "MODEL", "in.npz"])
    x = torch.rand(N, 3, 32, 32)
    with torch.no_grad():
        y = net(x).argmax(1)
    start = (x + torch.empty_like(x).uniform_(-EPS, EPS)).clamp(0, 1)
    export(net, x[:1], file, dynamo)
    np.savez(images, x=x.numpy(), y=y.numpy(), start=start.numpy())
    quaver("model", "import", file, "--out", model, "--dropout", "p=0.5 before dense:1")
    out = quaver.folder / "out.npz"
    said = quaver("evaluate", model, "--input", images, "--gradient", "--passes", 50, "--out", out)
    out = np.load(out)
    spec = f"pgd(eps={EPS},step_size={STEP},n_steps={STEPS})"
    found = np.load(quaver.attack(model, images, spec))["x_adv"]
    same = np.abs(found - pgd(net, x, y, start).numpy()) <= 1e-5
    logits = relative(out["logits"], net(x).detach())
    pulled = relative(out["input_gradient"], gradient(net, x, y))
    print(
        f"{'newer' if dynamo else 'classic'} exporter: logits within {logits:.1e}, gradient within "
        f"{pulled:.1e}, PGD the same in {same.mean():.2%} of pixels, 50 passes: mean uncertainty "
        f"{said['uncertainty']['variance']['mean']:.2e}"
    )
    return logits < 1e-4 and pulled < 1e-3 and same.mean() > 0.99 and out["mc_variance"].min() > 0


def main():
    torch.manual_seed(3)
    net = resnet20()
    with tempfile.TemporaryDirectory() as folder:
        quaver = Quaver(sys.argv[1], Path(folder))
        held = [check(quaver, net, dynamo) for dynamo in [False, True]]
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
