"""Item g: the whole paper, once by `quaver reproduce` and once in PyTorch.

Both sides do the paper's seven topologies and the two controls beside them. PyTorch's side:
training on a stated fraction of the steps, the three attacks on 500 images (JSMA by ART, which is
faster than the formula, on a fraction), 50 passes over the 10 000 test images and over the clean
and attacked ones, and the detectors; what is done in part is scaled. Quaver's side is the whole
command, with the honest reading cut to one image.
"""

from __future__ import annotations

import shutil
import time

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from . import networks, peers

TOPOLOGIES = [
    ("rand-bnn", 0.05),
    ("rand-bnn", 0.0),
    ("bnn", 0.5),
    ("quantized-2bit", 0.5),
    ("quantized-3bit", 0.5),
    ("quantized-4bit", 0.5),
    ("full-precision", 0.5),
    ("full-precision-bn", 0.5),
    ("bnn-weights", 0.5),
]
EPOCHS, BATCH, N_TRAIN = 15, 64, 60_000
N_ATTACKED, N_TEST, N_PASSES = 500, 10_000, 50


def topology_seconds(graph, file, layout, n_steps, n_jsma):
    """Seconds of one topology, by stage, scaled to the whole."""
    net = networks.build(graph).to(memory_format=peers.memory_format(layout))
    x, y, _ = peers.images(file)
    seconds = {}

    def timed(stage, scale, work):
        start = time.perf_counter()
        result = work()
        seconds[stage] = (time.perf_counter() - start) * scale
        return result

    def train(steps):
        net.train()
        adam = peers.optimizer(net)
        for step in range(steps):
            at = step * BATCH % (len(x) - BATCH)
            part = peers.in_layout(x[at : at + BATCH], layout)
            peers.training_step(net, adam, part, y[at : at + BATCH])

    train(10)
    timed("training", EPOCHS * N_TRAIN / BATCH / n_steps, lambda: train(n_steps))
    net.eval()
    clean, labels = x[:N_ATTACKED], y[:N_ATTACKED]
    target = (labels + 1) % 10
    attacked = {
        name: timed(name, 1, lambda: peers.torchattack(net, name, clean, labels, 250))
        for name in ("fgsm", "pgd")
    }
    attacked["jsma"] = timed(
        "jsma",
        N_ATTACKED / n_jsma,
        lambda: peers.art_attack(net, "jsma", clean[:n_jsma], target[:n_jsma], 50),
    )
    networks.dropout_on(net)

    def passes(images):
        with torch.inference_mode():
            parts = (peers.in_layout(part, layout) for part in images.split(500))
            total, square = peers.monte_carlo(net, parts, N_PASSES)
        return (square / N_PASSES - (total / N_PASSES) ** 2).mean(1).numpy()

    part = N_TEST // 10
    timed("passes over the test images", 10, lambda: passes(x[:part]))
    start = time.perf_counter()
    uncertainty = {name: passes(images) for name, images in {"clean": clean, **attacked}.items()}
    for name in attacked:
        scores = np.concatenate([uncertainty["clean"], uncertainty[name]])
        is_adversarial = np.arange(len(scores)) >= len(clean)
        LogisticRegression().fit(scores[:, None], is_adversarial)
    seconds["passes and detectors"] = time.perf_counter() - start
    return seconds


def reproduce(shared):
    """Seconds of the whole command into an empty folder."""
    run = shared.out / "paper-run"
    shutil.rmtree(run, ignore_errors=True)
    return shared.quaver.process(
        "reproduce", *shared.data, "--arch", "lenet5", "--honest-n", 1, "--eot-n", 1,
        "--eot-draws", 1, "--threads", 2, "--quiet", "--out", run,
    ).seconds  # fmt: skip


def measure(shared, store, workers, say, n_steps):
    """Seconds of both sides."""
    best = None
    for layout in ("contiguous", "channels-last"):
        total = 0.0
        for topology, dropout in TOPOLOGIES:
            model = shared.out / f"paper-{topology}-{dropout}"
            shared.make(
                model, say, "train", "--arch", "lenet5", "--topology", topology, "--dropout", dropout,
                "--dataset", "digits", "--train-images", 64, "--epochs", 1,
            )  # fmt: skip
            graph = shared.quaver.json("model", "show", model)["graph"]
            stages = store.get(
                f"g {topology} {dropout} {layout} {n_steps} steps",
                lambda: workers.of(2).ask(
                    "paper", "topology_seconds", graph=graph, file=shared.images(10_000),
                    layout=layout, n_steps=n_steps, n_jsma=50,
                ),
            )  # fmt: skip
            total += sum(stages.values())
            told = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in stages.items())
            say(f"g {topology} {dropout} in PyTorch ({layout}), seconds scaled to the whole: {told}")
        best = min(best or (total, layout), (total, layout))
    ours = store.get("g quaver reproduce", lambda: reproduce(shared))
    say(f"g: quaver {ours:.0f} s, PyTorch {best[0]:.0f} s")
    return {"quaver": ours, "peer": best[0], "layout": best[1], "steps": n_steps}
