"""What is compared: items a to f of the comparison, with their targets.

Items g (the whole paper) and h (the program itself) are whole runs, see `paper` and `program`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from . import setting as shared

LAYOUTS = ["contiguous", "channels-last"]
BOTH = {"lenet5", "lenet-caffe"}

# (item, peers it is measured against, architecture): least ratio to the fastest setting of the
# fastest of these peers, 2 threads, full precision.
TARGETS = {
    ("a", "all", "lenet5"): 5.5,
    ("a", "all", "lenet-caffe"): 2.5,
    ("b", "all", "lenet5"): 4.5,
    ("b", "all", "lenet-caffe"): 3.5,
    ("c", "all", "lenet5"): 9.0,
    ("c", "all", "lenet-caffe"): 4.5,
    ("d", "all", "lenet5"): 8.0,
    ("d", "all", "lenet-caffe"): 8.0,
    ("e", "formula", "lenet5"): 100.0,
    ("e", "formula", "lenet-caffe"): 100.0,
    ("e", "ART", "lenet5"): 40.0,
    ("e", "ART", "lenet-caffe"): 40.0,
    ("f", "naive", "lenet5"): 25.0,
    ("f", "naive", "lenet-caffe"): 25.0,
    ("f", "prefix reuse", "lenet5"): 5.0,
    ("f", "prefix reuse", "lenet-caffe"): 5.0,
    ("g", "PyTorch", "lenet5"): 6.0,
}


@dataclass
class Peer:
    """One way to do the work elsewhere; the best of its settings counts."""

    name: str
    function: str
    arguments: dict
    settings: list[dict]
    # Whose target it is held against: "all" takes the fastest peer of the item.
    target: str = "all"
    # Images on which the setting is chosen; all unless given.
    n_choice: int | None = None


@dataclass
class Item:
    """One line of the table for each architecture, topology and number of threads."""

    letter: str
    title: str
    work: str
    dropout: bool
    images: str
    peers: list[Peer]
    flags: list[str] = field(default_factory=list)
    # Costs so much that one round has to do unless more are asked for.
    heavy: bool = False


def settings(batches):
    return [{"layout": layout, "batch": batch} for layout in LAYOUTS for batch in batches]


def compiled(settings):
    """The settings, and the last of each layout once more with `torch.compile`."""
    last = {setting["layout"]: setting for setting in settings}
    return settings + [setting | {"mode": "torch.compile"} for setting in last.values()]


def items(s: shared.Setting):
    """All items; peers do a fraction of the heavy ones unless everything is asked for."""
    fraction = (lambda n, part: n) if s.full else (lambda n, part: part)
    n_pgd = fraction(10_000, 1_000)
    n_formula, n_art = fraction(500, 40), fraction(500, 200)
    n_naive = fraction(10_000, 2_000)
    jsma = s.target_images
    return (
        [_training(s, batch) for batch in (64, 128)]
        + [_forward(s, 500, [125, 250, 500]), _forward(s, 10_000, [100, 250, 500, 1_000])]
        + [
            _simple(s, "c", "input gradient, 1 000", "gradient", 1_000, [100, 250, 500, 1_000]),
            _attack(s, "fgsm", "FGSM, 10 000", 10_000, heavy=False),
            _attack(s, "pgd", f"PGD-40, {_n(n_pgd)}", n_pgd, heavy=True),
        ]
        + [
            Item(
                "e",
                "JSMA, 500 (CleverHans)",
                "jsma",
                False,
                jsma,
                [_jsma("formula", jsma, n_formula, [5, 20], "formula")],
                ["--dialect", "cleverhans-2.1"],
                heavy=True,
            ),
            Item(
                "e",
                "JSMA, 500 (ART)",
                "jsma(jacobian=logits)",
                False,
                jsma,
                [_jsma("art", jsma, n_art, [50, 200], "ART")],
                ["--dialect", "art"],
                heavy=True,
            ),
            Item(
                "f",
                "50 passes, 10 000",
                "passes",
                True,
                s.images(10_000),
                [
                    _passes(s, n_naive, False, "naive"),
                    _passes(s, n_naive, True, "prefix reuse"),
                ],
                ["--passes", "50"],
                heavy=True,
            ),
        ]
    )


def _n(n):
    return f"{n:,}".replace(",", " ")


def _training(s, batch):
    arguments = {"file": s.images(1_000), "n": batch}
    layouts = [{"layout": layout} for layout in LAYOUTS]
    peers = [Peer("PyTorch", "training", arguments, compiled(layouts))]
    flags = ["--batch-size", str(batch)]
    return Item("a", f"training step, {batch}", "training", True, s.images(1_000), peers, flags)


def _forward(s, n, batches):
    return _simple(s, "b", f"forward, {_n(n)}", "forward", n, batches)


def _simple(s, letter, title, work, n, batches):
    arguments = {"file": s.images(n), "n": n}
    peers = [Peer("PyTorch", work, arguments, compiled(settings(batches)))]
    return Item(letter, title, work, False, s.images(n), peers)


def _attack(s, name, title, n, heavy):
    def peer(library):
        arguments = {"library": library, "name": name, "file": s.images(n), "n": n}
        known = "ART" if library == "art" else library
        batches = [100, 250] if heavy else [250, 1_000]
        choice = batches[-1] if heavy else None
        return Peer(known, "attack", arguments, settings(batches), n_choice=choice)

    peers = [peer("torchattacks"), peer("art")]
    return Item("d", title, name, False, s.images(n), peers, heavy=heavy)


def _jsma(library, file, n, batches, target):
    arguments = {"library": library, "name": "jsma", "file": file, "n": n}
    name = "ART" if library == "art" else "PyTorch, the formula"
    return Peer(name, "attack", arguments, settings(batches), target, batches[-1])


def _passes(s, n, prefix, name):
    arguments = {"file": s.images(10_000), "n": n, "n_passes": 50, "prefix": prefix}
    return Peer(f"PyTorch, {name}", "passes", arguments, settings([250, 1_000]), name, 1_000)
