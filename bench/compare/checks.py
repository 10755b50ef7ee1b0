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


ATTACKS = [("fgsm", "torchattacks"), ("fgsm", "art"), ("pgd", "torchattacks"), ("pgd", "art")]
# (peer, dialect and attack that follow it, images the peer does).
JSMA = [("formula", "cleverhans-2.1", "jsma", 40), ("art", "art", "jsma(jacobian=logits)", 200)]


class Checks:
    """Lines of (what, ours, theirs, bound, whether it holds) about one network."""

    def __init__(self, shared, arch, topology, workers):
        self.shared, self.worker, self.lines = shared, workers.of(1), []
        self.network, self.model = f"{arch} {topology}", shared.model(arch, topology, False)

    def ask(self, function, **arguments):
        return self.worker.ask("checks", function, model=self.model, **arguments)

    def line(self, what, ours, theirs, bound, holds=None):
        holds = abs(ours - theirs) <= bound if holds is None else holds
        self.lines.append((f"{self.network}: {what}", ours, theirs, bound, holds))

    def outputs(self):
        out, file = str(self.shared.out / "check.npz"), self.shared.images(N)
        self.shared.quaver.json(
            "evaluate", self.model, "--input", file, "--passes", 1, "--gradient", "--out", out
        )
        same = self.ask("outputs", file=file, ours=out)
        self.line("share of images with the same logits", same["logits"], 1.0, 1 - SHARE)
        self.line("share with the same input gradient", same["gradients"], 1.0, 1 - SHARE)
        self.line("share of the same class", same["classes"], 1.0, 0.002)

    def attacked(self, attack, file, *flags):
        """Our adversarial images as a file."""
        out = str(self.shared.out / "check-attack.npz")
        self.shared.quaver.json(
            "attack", self.model, "--attack", attack, "--noise", "off", "--input", file,
            "--out", out, *flags,
        )  # fmt: skip
        return out

    def gradient_attacks(self):
        file = self.shared.images(N)
        for name, library in ATTACKS:
            adversarial = self.attacked(name, file, "--labels", "true")
            arrays = np.load(adversarial)
            ours = float((arrays["prediction"] == arrays["y"]).mean())
            theirs = self.ask("theirs", file=file, library=library, name=name, n=N)
            # Where a loss rounds to 0 in float32 the peers' gradient is 0 and ours is not: ours
            # may be the lower one.
            bound = 0.003 if name == "fgsm" else 0.01
            holds = -0.05 <= ours - theirs <= bound
            self.line(f"accuracy under {name}, {library}", ours, theirs, bound, holds)
            if library == "torchattacks":
                judged = self.ask("judged", adversarial=adversarial)
                self.line(f"accuracy under our {name}, judged by PyTorch", ours, judged, 0.002)

    def jsma(self):
        file = self.shared.target_images
        for library, dialect, attack, n in JSMA:
            arrays = np.load(self.attacked(attack, file, "--dialect", dialect))
            ours = float(arrays["target_reached"][:n].mean())
            theirs = self.ask("theirs", file=file, library=library, name="jsma", n=n)
            self.line(f"targets reached by jsma, {library}, {n} images", ours, theirs, 0.05)


def check(shared, arch, topology, workers):
    """Everything that is checked about one network."""
    checks = Checks(shared, arch, topology, workers)
    checks.outputs()
    checks.gradient_attacks()
    checks.jsma()
    return checks.lines
