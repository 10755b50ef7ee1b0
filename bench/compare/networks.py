"""Quaver's networks in PyTorch, built from the graph that `quaver model show --json` prints."""

from __future__ import annotations

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F


class Straight(torch.autograd.Function):
    """A step function whose gradient passes where the input lies in [-1, 1]."""

    @staticmethod
    def forward(ctx, x, step):
        ctx.save_for_backward(x)
        return step(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() <= 1), None


def sign(x):
    """+1 from 0 on, else -1."""
    return torch.where(x >= 0, 1.0, -1.0)


def stochastic_sign(x):
    """+1 with probability (x + 1) / 2."""
    return torch.where(torch.rand_like(x) < (x + 1) / 2, 1.0, -1.0)


def k_bit(bits):
    """Steps of 2^(1 - bits) in [-1, 1]."""
    scale = 2.0 ** (bits - 1)
    return lambda x: (torch.round(x * scale) / scale).clamp(-1, 1)


def step_of(quantizer):
    """The step function of a quantizer in a graph."""
    match quantizer:
        case {"name": "sign", "surrogate": "hardtanh"}:
            return sign
        case {"name": "stochastic-sign", "surrogate": "hardtanh"}:
            return stochastic_sign
        case {"name": "k-bit", "surrogate": "hardtanh", "bits": bits}:
            return k_bit(bits)
    raise ValueError(f"no module for the quantizer {quantizer}")


class Quantize(nn.Module):
    """Activations on a grid."""

    def __init__(self, quantizer):
        super().__init__()
        self.step = step_of(quantizer)

    def forward(self, x):
        return Straight.apply(x, self.step)


class QuantizedConv2d(nn.Conv2d):
    """A convolution with weights on a grid."""

    step = staticmethod(sign)

    def forward(self, x):
        return self._conv_forward(x, Straight.apply(self.weight, self.step), self.bias)


class QuantizedLinear(nn.Linear):
    """A dense layer with weights on a grid."""

    step = staticmethod(sign)

    def forward(self, x):
        return F.linear(x, Straight.apply(self.weight, self.step), self.bias)


def module(op, config):
    """One node of a graph."""
    quantizer = config.get("quantizer")
    match op:
        case "conv2d":
            kind = QuantizedConv2d if quantizer else nn.Conv2d
            layer = kind(
                config["in_channels"],
                config["out_channels"],
                config["kernel"],
                config["stride"],
                config["padding"],
                bias=config["bias"],
            )
        case "dense":
            kind = QuantizedLinear if quantizer else nn.Linear
            layer = kind(config["in_features"], config["out_features"], bias=config["bias"])
        case "batch_norm":
            kind = nn.BatchNorm2d if config["spatial"] else nn.BatchNorm1d
            return kind(config["channels"], config["eps"], config["momentum"])
        case "max_pool2d":
            return nn.MaxPool2d(config["kernel"], config["stride"])
        case "relu":
            return nn.ReLU()
        case "quantize":
            return Quantize(quantizer)
        case "flatten":
            return nn.Flatten()
        case "dropout":
            return nn.Dropout(config["p"])
        case _:
            raise ValueError(f"no module for the op {op}")
    if quantizer:
        layer.step = step_of(quantizer)
    return layer


def build(graph, weights=None):
    """The network of a graph, its nodes one after another, in evaluation mode."""
    layers, spatial = [], True
    for i, node in enumerate(graph["nodes"]):
        if node["name"] != str(i):
            raise ValueError(f"node {i} is called {node['name']}: no sequential graph")
        spatial = spatial and node["op"] != "flatten"
        layers.append(module(node["op"], node["config"] | {"spatial": spatial}))
    net = nn.Sequential(*layers)
    if weights is not None:
        missing, unexpected = net.load_state_dict(load_file(weights), strict=False)
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unexpected:
            raise ValueError(f"weights do not fit: {missing} missing, {unexpected} unexpected")
    return net.eval()


def latent(net):
    """Weights that are clipped to [-1, 1] after each step."""
    return [m.weight for m in net if isinstance(m, QuantizedConv2d | QuantizedLinear)]


def split_at_dropout(net):
    """What does not depend on dropout, and the rest."""
    first = next(i for i, m in enumerate(net) if isinstance(m, nn.Dropout))
    return net[:first], net[first:]


def dropout_on(net):
    """Dropout as in training, everything else as in evaluation."""
    net.eval()
    for m in net.modules():
        if isinstance(m, nn.Dropout):
            m.train()
    return net
