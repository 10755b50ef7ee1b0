"""Do both sides compute the same? Asked before anything is timed."""

from __future__ import annotations

import numpy as np
import torch

from . import peers

N = 500
# A pixel of the float networks may differ by this much of the image's largest magnitude; where
# activations are signs a value next to 0 may fall to either side and change an image altogether.
CLOSE, SHARE = 1e-4, 0.98


def close(ours, theirs):
    """Share of images on which two arrays agree."""
    n = len(ours)
    ours, theirs = ours.reshape(n, -1), theirs.reshape(n, -1)
    largest = np.abs(theirs).max(1, keepdims=True).clip(1e-30)
    return float((np.abs(ours - theirs) <= CLOSE * largest).all(1).mean())


def accuracy(net, x, y):
    with torch.inference_mode():
        return float((net(x).argmax(1) == y).float().mean())


def theirs(model, file, library, name, n):
    """Accuracy of a peer's attack, and of JSMA the share of targets reached."""
    net = peers.load(model)
    x, y, target = peers.images(file, n)
    if library == "formula":
        return accuracy(net, peers.jsma_formula(net, x, target, 20), target)
    if name == "jsma":
        return accuracy(net, peers.art_attack(net, name, x, target, 100), target)
    run = peers.torchattack if library == "torchattacks" else peers.art_attack
    return accuracy(net, run(net, name, x, y, 250), y)


def outputs(model, file, ours):
    """Shares of images with the same logits and the same input gradient."""
    net = peers.load(model).requires_grad_(False)
    x, y, _ = peers.images(file, N)
    ours = np.load(ours)
    with torch.inference_mode():
        logits = net(x).numpy()
    gradient = peers.input_gradient(net, x, y).numpy()
    return {
        "logits": close(ours["logits"], logits),
        "gradients": close(ours["input_gradient"], gradient),
        "classes": float((ours["logits"].argmax(1) == logits.argmax(1)).mean()),
    }


def judged(model, adversarial):
    """Accuracy that PyTorch sees on our adversarial images."""
    arrays = np.load(adversarial)
    x, y = torch.from_numpy(arrays["x_adv"]), torch.from_numpy(arrays["y"])
    return accuracy(peers.load(model), x, y)


def check(shared, arch, topology, workers):
    """Lines of (what, ours, theirs, bound, whether it holds)."""
    model, lines = shared.model(arch, topology, False), []
    ask = lambda function, **arguments: workers.of(2).ask("checks", function, model=model, **arguments)

    def line(what, got, other, bound):
        lines.append((f"{arch} {topology}: {what}", got, other, bound, abs(got - other) <= bound))

    out = str(shared.out / "check.npz")
    file = shared.images(N)
    shared.quaver.json("evaluate", model, "--input", file, "--passes", 1, "--gradient", "--out", out)
    same = ask("outputs", file=file, ours=out)
    line("share of images with the same logits", same["logits"], 1.0, 1 - SHARE)
    line("share of images with the same input gradient", same["gradients"], 1.0, 1 - SHARE)
    line("share of images of the same class", same["classes"], 1.0, 0.002)
    for name, library, bound in [("fgsm", "torchattacks", 0.003), ("fgsm", "art", 0.003), ("pgd", "torchattacks", 0.01), ("pgd", "art", 0.01)]:
        adversarial = str(shared.out / f"check-{name}.npz")
        document = shared.quaver.json(
            "attack", model, "--attack", name, "--labels", "true", "--noise", "off",
            "--input", file, "--out", adversarial,
        )  # fmt: skip
        ours = document["robust_accuracy"]["value"]
        line(f"accuracy under {name}, {library}", ours, ask("theirs", file=file, library=library, name=name, n=N), bound)
        if library == "torchattacks":
            line(f"accuracy under our {name}, judged by PyTorch", ours, ask("judged", adversarial=adversarial), 0.002)
    targets = shared.target_images
    for library, dialect, n in [("formula", "cleverhans-2.1", 40), ("art", "art", 200)]:
        adversarial = str(shared.out / "check-jsma.npz")
        shared.quaver.json(
            "attack", model, "--attack", "jsma", "--dialect", dialect, "--noise", "off",
            "--input", targets, "--out", adversarial,
        )  # fmt: skip
        reached = float(np.load(adversarial)["target_reached"][:n].mean())
        other = ask("theirs", file=targets, library=library, name="jsma", n=n)
        line(f"targets reached by jsma, {library}, {n} images", reached, other, 0.05)
    return lines
