"""The work of the comparison, as one does it with PyTorch, torchattacks and ART.

Every function of `WORK` takes a setting and returns images a second.
"""

from __future__ import annotations

import copy
import json
import time

import numpy as np
import torch
import torchattacks
from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescentPyTorch
from art.attacks.evasion import SaliencyMapMethod
from art.estimators.classification import PyTorchClassifier
from torch.nn import functional as F

from . import networks

EPS, STEP, N_STEPS = 0.3, 0.01, 40
THETA, GAMMA = 1.0, 0.1
# Steps of training after which it begins anew, as in `quaver bench`.
RESTART = 100

_images = {}


def images(path, n=None):
    """Pixels in [0, 1], labels, and targets or None, of the first `n` images of a file."""
    if path not in _images:
        arrays = np.load(path)
        x = arrays["x"]
        x = x.astype(np.float32) / 255 if x.dtype == np.uint8 else x.astype(np.float32)
        target = torch.from_numpy(arrays["target"]) if "target" in arrays else None
        _images[path] = torch.from_numpy(x), torch.from_numpy(arrays["y"]), target
    x, y, target = _images[path]
    return x[:n], y[:n], None if target is None else target[:n]


def load(model, layout="contiguous"):
    """A network by the path of its graph and weights, without their endings."""
    with open(f"{model}.json") as file:
        graph = json.load(file)["graph"]
    net = networks.build(graph, f"{model}.safetensors")
    return net.to(memory_format=memory_format(layout))


def memory_format(layout):
    return torch.channels_last if layout == "channels-last" else torch.contiguous_format


def in_layout(x, layout):
    return x.contiguous(memory_format=memory_format(layout))


def rate(n, seconds, work, mode=None):
    """As `quaver bench` times: the first run warms up; where it alone takes longer it counts.
    Nobody's compilation counts."""
    if mode == "torch.compile":
        work()
    began = time.perf_counter()
    work()
    first = time.perf_counter() - began
    rates = [n / first]
    if first < seconds:
        rates = []
        while len(rates) < 3 or time.perf_counter() - began < seconds:
            start = time.perf_counter()
            work()
            rates.append(n / (time.perf_counter() - start))
    return float(np.median(rates))


def optimizer(net):
    return torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)


def in_mode(net, mode):
    """How the network is called: as it is, or compiled for fixed shapes."""
    if mode != "torch.compile":
        return net
    torch.compiler.reset()
    return torch.compile(net, dynamic=False)


def training_step(net, adam, x, y, call=None):
    adam.zero_grad(set_to_none=True)
    F.cross_entropy((call or net)(x), y).backward()
    adam.step()
    with torch.no_grad():
        for weight in networks.latent(net):
            weight.clamp_(-1, 1)


def training(model, file, n, layout, seconds, mode=None):
    net = load(model, layout).train()
    call = in_mode(net, mode)
    x, y, _ = images(file, n)
    x, adam = in_layout(x, layout), optimizer(net)
    fresh = copy.deepcopy(net.state_dict())
    steps = 0

    def work():
        nonlocal adam, steps
        if steps == RESTART:
            net.load_state_dict(fresh)
            adam, steps = optimizer(net), 0
        steps += 1
        training_step(net, adam, x, y, call)

    return rate(n, seconds, work, mode)


def forward(model, file, n, batch, layout, seconds, mode=None):
    net = in_mode(load(model, layout), mode)
    x = images(file, n)[0]

    def work():
        with torch.inference_mode():
            for part in x.split(batch):
                net(in_layout(part, layout))

    return rate(n, seconds, work, mode)


def input_gradient(net, x, y):
    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(F.cross_entropy(net(x), y, reduction="sum"), x)[0]


def gradient(model, file, n, batch, layout, seconds, mode=None):
    net = in_mode(load(model, layout).requires_grad_(False), mode)
    x, y, _ = images(file, n)

    def work():
        for part, labels in zip(x.split(batch), y.split(batch)):
            input_gradient(net, in_layout(part, layout), labels)

    return rate(n, seconds, work, mode)


def torchattack(net, name, x, y, batch):
    """Attacked images by torchattacks."""
    attack = {
        "fgsm": lambda: torchattacks.FGSM(net, eps=EPS),
        "pgd": lambda: torchattacks.PGD(net, eps=EPS, alpha=STEP, steps=N_STEPS),
    }[name]()
    return torch.cat([attack(a, b) for a, b in zip(x.split(batch), y.split(batch))])


def art_classifier(net):
    loss = torch.nn.CrossEntropyLoss()
    return PyTorchClassifier(net, loss, (1, 28, 28), 10, clip_values=(0, 1), device_type="cpu")


def art_attack(net, name, x, y, batch):
    """Attacked images by ART; `y` are labels, of JSMA targets."""
    classifier = art_classifier(net)
    attack = {
        "fgsm": lambda: FastGradientMethod(classifier, eps=EPS, batch_size=batch),
        "pgd": lambda: ProjectedGradientDescentPyTorch(
            classifier,
            eps=EPS,
            eps_step=STEP,
            max_iter=N_STEPS,
            num_random_init=1,
            batch_size=batch,
            verbose=False,
        ),
        "jsma": lambda: SaliencyMapMethod(
            classifier, theta=THETA, gamma=GAMMA, batch_size=batch, verbose=False
        ),
    }[name]()
    return torch.from_numpy(attack.generate(x.numpy(), y.numpy()))


def jsma_formula(net, x, target, batch):
    """JSMA as CleverHans 2.1 writes it: the Jacobian of the probabilities, and the best pair of
    all pairs of pixels at every step. Finished images leave the batch."""
    parts = zip(x.split(batch), target.split(batch))
    return torch.cat([_jsma_batch(net, a.clone(), b) for a, b in parts])


def _jsma_batch(net, x, target):
    shape, n_features = x.shape[1:], x[0].numel()
    x = x.reshape(len(x), n_features)
    domain = (x < 1).float()
    for _ in range(int(n_features * GAMMA / 2)):
        inputs = x.reshape(-1, *shape).requires_grad_(True)
        probabilities = net(inputs).softmax(1)
        going = (probabilities.argmax(1) != target) & (domain.sum(1) >= 2)
        if not going.any():
            break
        rows = going.nonzero()[:, 0]
        jacobian = torch.stack(
            [
                torch.autograd.grad(probabilities[:, c].sum(), inputs, retain_graph=True)[0]
                for c in range(probabilities.shape[1])
            ],
            1,
        ).reshape(len(x), -1, n_features)[rows]
        pair = _best_pair(jacobian, target[rows], domain[rows])
        x = x.detach()
        for pixel in pair:
            x[rows, pixel] = (x[rows, pixel] + THETA).clamp(max=1)
            domain[rows, pixel] = 0
    return x.detach().reshape(-1, *shape)


def _best_pair(jacobian, target, domain):
    """Pixels (p, q) of the largest -(sum of target gradients) · (sum of the others')."""
    n, _, n_features = jacobian.shape
    at_target = jacobian[torch.arange(n), target]
    others = jacobian.sum(1) - at_target
    # Pixels that are used up can have no part in a pair.
    worst = 2 * at_target.abs().amax(1, keepdim=True), 2 * others.abs().amax(1, keepdim=True)
    at_target = at_target - worst[0] * (1 - domain)
    others = others + worst[1] * (1 - domain)
    target_sum = at_target[:, :, None] + at_target[:, None, :]
    other_sum = others[:, :, None] + others[:, None, :]
    scores = (-target_sum * other_sum) * ((target_sum > 0) & (other_sum < 0))
    scores.diagonal(dim1=1, dim2=2).zero_()
    best = scores.reshape(n, -1).argmax(1)
    return best // n_features, best % n_features


def attack(library, name, model, file, n, batch, layout, seconds):
    net = load(model, layout)
    x, y, target = images(file, n)
    if name == "jsma":
        y = target

    def work():
        if library == "formula":
            attacked = jsma_formula(net, x, y, batch)
        else:
            run = {"torchattacks": torchattack, "art": art_attack}[library]
            attacked = run(net, name, x, y, batch)
        # Quaver's attacks say of every image what became of it.
        for images in (x, attacked):
            classes(net, images, batch)

    return rate(n, seconds, work)


def classes(net, x, batch):
    with torch.inference_mode():
        return torch.cat([net(part).argmax(1) for part in x.split(batch)])


def monte_carlo(run, parts, n_passes):
    """Sum of the probabilities and of their squares over passes, in float64."""
    sums = []
    for part in parts:
        total = square = 0
        for _ in range(n_passes):
            p = run(part).softmax(1).double()
            total, square = total + p, square + p * p
        sums.append((total, square))
    return torch.cat([total for total, _ in sums]), torch.cat([square for _, square in sums])


def passes(model, file, n, n_passes, prefix, batch, layout, seconds):
    net = networks.dropout_on(load(model, layout))
    x = images(file, n)[0]
    before, rest = networks.split_at_dropout(net)

    def work():
        with torch.inference_mode():
            parts = (in_layout(part, layout) for part in x.split(batch))
            if prefix:
                monte_carlo(rest, (before(part) for part in parts), n_passes)
            else:
                monte_carlo(net, parts, n_passes)

    return rate(n, seconds, work)


WORK = {
    "training": training,
    "forward": forward,
    "gradient": gradient,
    "attack": attack,
    "passes": passes,
}
