"""Reference outputs of three small networks on digits, computed by PyTorch: the files in data/.

Made with Python 3.11, torch 2.15.0, numpy 2.4.6 and safetensors 0.8.0, seed 20, on the CPU:

    quaver data export --dataset digits --train --n 12000 --out train.npz
    quaver data export --dataset digits --n 2000 --out test.npz
    python make.py train train.npz test.npz data
    python make.py rounding FOLDER

`train` trains the networks on digits that the program drew and writes, for the first images of
the test split of seed 0,

    images.npz          x, y, pgd_start (bytes, 255ths), jsma_target
    NAME.safetensors    parameters as torch.nn.Sequential names them
    NAME.npz            logits, probs, ce_grad, fgsm, bim, pgd, jsma_probs, jsma_logits, and
                        mc_mean, mc_variance over 4000 passes with dropout

All of them are computed in float64, from float32 weights and pixels, so that no rounding of the
reference's own is in them, and stored in float32 (the moments in float64). Versions and seed are
in every file, in the array or metadata `about`. Printed is what float32 would cost PyTorch
itself: for fgsm, bim and pgd the share of pixels, for jsma the share of images, that differ when
the same code runs in float32.

`rounding` prints the same shares for the larger reference networks in FOLDER: their stored
float32 results against float64.
"""

import json
import sys
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional as F

SEED = 20
N_IMAGES = 8
EPOCHS = 4
PASSES = 4000
EPS, STEP, STEPS = 0.3, 0.01, 40
PAIRS = 39  # floor(784 * 0.1 / 2)
TOLERANCE = 1e-5
ABOUT = json.dumps(
    {
        "made_by": "crates/quaver/tests/golden/make.py",
        "numpy": np.__version__,
        "safetensors": safetensors.__version__,
        "seed": SEED,
        "torch": torch.__version__,
    },
    sort_keys=True,
)
TOPOLOGIES = {"small-full": "full", "small-2bit": "2bit", "small-bnn": "bnn"}
LARGE = {
    "lenet5-full": "full",
    "lenet5-2bit": "2bit",
    "lenet5-bnn": "bnn",
    "cleverhans-cnn": "cleverhans",
}


class Quantize(torch.autograd.Function):
    """sign (0 becomes 1) or two bits; backward g where |r| <= 1."""

    @staticmethod
    def forward(ctx, r, kind):
        ctx.save_for_backward(r)
        if kind == "bnn":
            return torch.where(r >= 0, 1.0, -1.0).to(r.dtype)
        return (torch.round(r * 2) / 2).clamp(-1, 1)

    @staticmethod
    def backward(ctx, g):
        (r,) = ctx.saved_tensors
        return g * (r.abs() <= 1), None


class Sign(nn.Module):
    def forward(self, x):
        return Quantize.apply(x, "bnn")


class Conv(nn.Conv2d):
    kind = None

    def forward(self, x):
        w = self.weight if self.kind is None else Quantize.apply(self.weight, self.kind)
        return self._conv_forward(x, w, self.bias)


class Dense(nn.Linear):
    kind = None

    def forward(self, x):
        w = self.weight if self.kind is None else Quantize.apply(self.weight, self.kind)
        return F.linear(x, w, self.bias)


def quantized(layer, kind):
    layer.kind = kind
    nn.init.trunc_normal_(layer.weight, 0, 0.2, -0.4, 0.4)
    return layer


def lenet(topology, channels, hidden):
    """Convolutions and dense layers as the program's `lenet5` orders them."""
    plain = topology == "full"

    def activate(layer, norm):
        sign = topology == "bnn"
        return ([] if plain else [norm]) + [Sign() if sign else nn.ReLU()]

    def hidden_layer(layer):
        return layer if plain else quantized(layer, topology)

    a, b = channels
    layers = [Conv(1, a, 5, padding=2, bias=plain), nn.MaxPool2d(2)]
    layers += activate(layers[0], nn.BatchNorm2d(a))
    layers += [hidden_layer(Conv(a, b, 5, bias=plain)), nn.MaxPool2d(2)]
    layers += activate(layers[-2], nn.BatchNorm2d(b)) + [nn.Flatten()]
    width = b * 25
    for size in hidden:
        layers += [hidden_layer(Dense(width, size, bias=plain))]
        layers += activate(layers[-1], nn.BatchNorm1d(size)) + [nn.Dropout(0.5)]
        width = size
    return nn.Sequential(*layers, Dense(width, 10))


def cleverhans():
    layers = [nn.ZeroPad2d(3), Conv(1, 16, 8, 2, bias=False), nn.ReLU()]
    layers += [Conv(16, 32, 6, 2, bias=False), nn.ReLU()]
    layers += [Conv(32, 32, 5, bias=False), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.5), Dense(32, 10, bias=False))


def train(net, x, y):
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    net.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
            with torch.no_grad():
                for layer in net:
                    if getattr(layer, "kind", None):
                        layer.weight.clamp_(-1, 1)
    net.eval()


def gradient(net, x, y):
    """Of each image's own cross-entropy."""
    x = x.clone().requires_grad_()
    F.cross_entropy(net(x), y, reduction="sum").backward()
    return x.grad


def ascend(net, x, y, start):
    """Sign steps; box, then ball."""
    z = start
    for _ in range(STEPS):
        z = (z + STEP * gradient(net, z, y).sign()).clamp(0, 1)
        z = torch.minimum(torch.maximum(z, x - EPS), x + EPS)
    return z


def jacobian(net, image, of_probs):
    image = image.clone().requires_grad_()
    out = net(image[None])[0]
    out = out.softmax(0) if of_probs else out
    rows = [torch.autograd.grad(o, image, retain_graph=True)[0].flatten() for o in out]
    return torch.stack(rows)


def first_best(t, o, free):
    """Exhaustively: the first of the best pairs of `free` in row-major order, and its score."""
    a, b = t[free, None] + t[None, free], o[free, None] + o[None, free]
    valid = (a > 0) & (b < 0)
    valid.fill_diagonal_(False)
    scores = torch.where(valid, -a * b, -1.0)
    best = scores.argmax().item()
    return [free[i].item() for i in divmod(best, len(free))], scores.flatten()[best].item()


def best_pair(t, o, free):
    """The same among those alone that could be part of a pair as good as one already found."""
    if len(free) < 2:
        return None
    most = (t + t[free].max()).clamp(min=0) * -(o + o[free].min()).clamp(max=0)
    few = free[most[free].argsort(descending=True)[:40]]
    found = first_best(t, o, few.sort().values)[1]
    pair, score = first_best(t, o, free[most[free] >= found] if found > 0 else free)
    return pair if score >= 0 else None


def jsma(net, image, target, of_probs):
    """Pairs scored in float64, all of them, the first of equals in row-major order."""
    image = image.clone()
    for _ in range(PAIRS):
        if net(image[None])[0].argmax() == target:
            break
        rows = jacobian(net, image, of_probs).double()
        t = rows[target]
        pair = best_pair(t, rows.sum(0) - t, (image.flatten() < 1).nonzero().flatten())
        if pair is None:
            break
        image.view(-1)[pair] = 1
    return image


def attacked(net, x, y, start, target):
    found = {"fgsm": (x + EPS * gradient(net, x, y).sign()).clamp(0, 1)}
    found["bim"] = ascend(net, x, y, x)
    found["pgd"] = ascend(net, x, y, start)
    for kind in ["probs", "logits"]:
        images = [jsma(net, image, t, kind == "probs") for image, t in zip(x, target)]
        found[f"jsma_{kind}"] = torch.stack(images)
    return {name: images.detach() for name, images in found.items()}


def differing(ours, theirs):
    """Shares of pixels, for jsma of images, that differ."""
    shares = {}
    for name in ours:
        off = (ours[name].double() - theirs[name].double()).abs() > TOLERANCE
        off = off.flatten(1)
        shares[name] = (off.any(1) if "jsma" in name else off).double().mean().item()
    return shares


def passes(net, x):
    for layer in net:
        layer.train(isinstance(layer, nn.Dropout))
    with torch.no_grad():
        probs = [net(image[None].expand(PASSES, -1, -1, -1)).softmax(1) for image in x]
    net.eval()
    probs = torch.stack(probs)
    return probs.mean(1), probs.var(1, correction=0)


def save(path, arrays):
    arrays["about"] = np.frombuffer(ABOUT.encode(), np.uint8)
    np.savez_compressed(path, **arrays)


def write_network(folder, name, net, images):
    x, y, start, target = images
    single = attacked(net, x, y, start, target)
    safetensors.torch.save_file(
        {k: v for k, v in net.state_dict().items() if "num_batches" not in k},
        folder / f"{name}.safetensors",
        {"about": ABOUT},
    )
    net.double()
    x, start = x.double(), start.double()
    double = attacked(net, x, y, start, target)
    logits = net(x).detach()
    arrays = {"logits": logits, "probs": logits.softmax(1), "ce_grad": gradient(net, x, y)}
    arrays = {k: v.float().numpy() for k, v in (arrays | double).items()}
    for moment, values in zip(["mean", "variance"], passes(net, x)):
        arrays[f"mc_{moment}"] = values.numpy()
    save(folder / f"{name}.npz", arrays)
    return differing(single, double)


def train_all(digits, test_digits, folder):
    folder.mkdir(exist_ok=True)
    digits, test_digits = np.load(digits), np.load(test_digits)
    x, y = torch.tensor(digits["x"]) / 255, torch.tensor(digits["y"])
    test_x, test_y = torch.tensor(test_digits["x"]) / 255, torch.tensor(test_digits["y"])
    torch.manual_seed(SEED)
    x_bytes, labels = test_digits["x"][:N_IMAGES], test_y[:N_IMAGES]
    noise = np.random.default_rng(SEED).integers(-76, 77, x_bytes.shape)  # 0.3 is 76.5 255ths
    start = (x_bytes.astype(int) + noise).clip(0, 255).astype(np.uint8)
    target = (labels + torch.randint(1, 10, labels.shape)) % 10
    arrays = {"x": x_bytes, "y": labels.numpy(), "pgd_start": start}
    save(folder / "images.npz", arrays | {"jsma_target": target.numpy()})
    images = (test_x[:N_IMAGES], labels, torch.tensor(start) / 255, target)
    for name, topology in TOPOLOGIES.items():
        net = lenet(topology, (4, 8), (16,))
        train(net, x, y)
        accuracy = (net(test_x).argmax(1) == test_y).double().mean().item()
        shares = write_network(folder, name, net, images)
        shares = {k: round(v, 5) for k, v in shares.items()}
        print(name, f"accuracy={accuracy:.3f} n={len(test_x)}", shares)


def rounding(folder):
    for name, topology in LARGE.items():
        net = cleverhans() if topology == "cleverhans" else lenet(topology, (6, 16), (120, 84))
        tensors = safetensors.torch.load_file(folder / f"{name}.safetensors")
        net.load_state_dict(tensors, strict=False)
        net.double().eval()
        stored = {k: torch.tensor(v) for k, v in np.load(folder / f"{name}.npz").items()}
        x, start = stored["x"].double(), stored["pgd_start"].double()
        found = attacked(net, x, stored["y"], start, stored["jsma_target"])
        print(name, {k: round(v, 5) for k, v in differing(found, stored).items()})


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "train":
        train_all(*map(Path, sys.argv[2:5]))
    else:
        rounding(Path(sys.argv[2]))
