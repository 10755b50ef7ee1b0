"""Writes a set of reference outputs of PyTorch for the golden tests.

    python references.py MNIST OUT [--seed 12] [--first 2000] [--train 60000]

trains the five networks of the tests for two epochs on the IDX files in MNIST and writes for
each of them, into OUT:

    NAME.safetensors    parameters as torch.nn.Sequential names them (not of mini-resnet)
    NAME.onnx           by the classic exporter; of lenet5-full and mini-resnet also by the newer
                        one, NAME-dynamo.onnx
    NAME.npz            x, y, logits, probs, ce_grad, jacobian_first4, fgsm, bim, pgd_start, pgd,
                        jsma_target, jsma_probs, jsma_logits, mc_mean, mc_variance of 64 images

in float32, as PyTorch computes it, so that its rounding is in them. The tests read the set from
the folder that QUAVER_GOLDEN names:

    QUAVER_GOLDEN=OUT cargo test --release --test golden -- --nocapture
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import nn

from idx import images_and_labels

sys.path.insert(0, str(Path(__file__).parents[2] / "crates/quaver/tests/golden"))
import make  # noqa: E402

N = 64
DYNAMO = ["lenet5-full", "mini-resnet"]


def jacobian(net, image, of_probs):
    """As make.py's, in one batch: a row for each output."""
    n_outputs = 10
    images = image.expand(n_outputs, -1, -1, -1).clone().requires_grad_()
    out = net(images)
    out = out.softmax(1) if of_probs else out
    return torch.autograd.grad(out.diagonal().sum(), images)[0].flatten(1)


class Block(nn.Module):
    """Two convolutions beside a shortcut, which is one of 1x1 where sizes change."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.a = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.a_norm = nn.BatchNorm2d(outputs)
        self.b = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.b_norm = nn.BatchNorm2d(outputs)
        self.short = nn.Identity()
        if inputs != outputs or stride != 1:
            short = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.short = nn.Sequential(short, nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.b_norm(self.b(self.a_norm(self.a(x)).relu()))
        return (y + self.short(x)).relu()


def mini_resnet():
    first = [nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
    blocks = [Block(8, 8, 1), Block(8, 16, 2), Block(16, 32, 2)]
    end = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(32, 10)]
    return nn.Sequential(*first, *blocks, *end)


NETWORKS = {
    "lenet5-full": lambda: make.lenet("full", (6, 16), (120, 84)),
    "lenet5-2bit": lambda: make.lenet("2bit", (6, 16), (120, 84)),
    "lenet5-bnn": lambda: make.lenet("bnn", (6, 16), (120, 84)),
    "cleverhans-cnn": make.cleverhans,
    "mini-resnet": mini_resnet,
}


def export(net, image, path, dynamo):
    batch = {"dynamic_shapes": {"input": {0: torch.export.Dim.DYNAMIC}}}
    if not dynamo:
        batch = {"dynamic_axes": {"image": {0: "n"}, "logits": {0: "n"}}, "opset_version": 17}
    two = image.expand(2, -1, -1, -1)
    names = {"input_names": ["image"], "output_names": ["logits"]}
    torch.onnx.export(net, (two,), path, dynamo=dynamo, external_data=False, **names, **batch)


def write(folder, name, net, x, y, start, target):
    if name != "mini-resnet":
        state = {k: v for k, v in net.state_dict().items() if "num_batches" not in k}
        safetensors.torch.save_file(state, folder / f"{name}.safetensors")
    export(net, x[:1], folder / f"{name}.onnx", False)
    if name in DYNAMO:
        export(net, x[:1], folder / f"{name}-dynamo.onnx", True)
    logits = net(x).detach()
    rows = [jacobian(net, image, False) for image in x[:4]]
    arrays = {
        "x": x,
        "y": y,
        "logits": logits,
        "probs": logits.softmax(1),
        "ce_grad": make.gradient(net, x, y),
        "jacobian_first4": torch.stack(rows).reshape(4, -1, *x.shape[1:]),
        "pgd_start": start,
        "jsma_target": target,
    }
    arrays |= make.attacked(net, x, y, start, target)
    mean, variance = make.passes(net, x)
    arrays |= {"mc_mean": mean.double(), "mc_variance": variance.double()}
    np.savez_compressed(folder / f"{name}.npz", **{k: v.numpy() for k, v in arrays.items()})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mnist", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--first", type=int, default=2000)
    parser.add_argument("--train", type=int, default=60_000, help="images to train on")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    x, y = (torch.tensor(a[: args.train]) for a in images_and_labels(args.mnist, "train"))
    test_x, test_y = map(torch.tensor, images_and_labels(args.mnist, "t10k"))
    rows = slice(args.first, args.first + N)
    make.EPOCHS, make.jacobian = 2, jacobian
    for name, build in NETWORKS.items():
        torch.manual_seed(args.seed)
        net = build()
        make.train(net, x, y)
        with torch.no_grad():
            right = [net(part).argmax(1) for part in test_x.split(1000)]
        accuracy = (torch.cat(right) == test_y).double().mean().item()
        images, labels = test_x[rows], test_y[rows]
        start = (images + torch.empty_like(images).uniform_(-make.EPS, make.EPS)).clamp(0, 1)
        target = (labels + torch.randint(1, 10, labels.shape)) % 10
        write(args.out, name, net, images, labels, start, target)
        print(name, f"accuracy={accuracy:.4f}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
