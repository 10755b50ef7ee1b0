"""Takes results of Quaver to PyTorch, onnxruntime, torchattacks and ART, and theirs back.

    python parity.py QUAVER MNIST MODEL [--n 1000] [--eps 0.3] [--out FOLDER]

MODEL is a network that `quaver train --arch lenet5` made, of the topology full-precision,
quantized-2bit or bnn; QUAVER the program; MNIST the folder with the IDX files. Printed, and
checked (exit code 1 if not so), with noise off everywhere, on the first n test images:

1. Our adversarial examples have, in PyTorch and in onnxruntime, the accuracy that Quaver prints,
   to within one image whose logits tie.
2. So do those of torchattacks and ART in Quaver.
3. On the same weights, our FGSM, BIM and PGD leave an accuracy that is at most 0.3 points above
   the lowest of theirs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import safetensors.torch
import torch
import torchattacks
from art.attacks.evasion import (
    BasicIterativeMethod,
    FastGradientMethod,
    ProjectedGradientDescent,
)
from art.estimators.classification import PyTorchClassifier

sys.path.insert(0, str(Path(__file__).parents[2] / "crates/quaver/tests/golden"))
import make  # noqa: E402

TOPOLOGIES = {"full-precision": "full", "quantized-2bit": "2bit", "bnn": "bnn"}
STEP, STEPS = 0.01, 40
POINTS = 0.003


class Quaver:
    """The program, its files in a folder."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def __call__(self, *words):
        command = [self.program, *map(str, words), "--quiet", "--json"]
        said = subprocess.run(command, capture_output=True, text=True)
        if said.returncode:
            sys.exit(f"{' '.join(command)}\n{said.stderr}")
        return json.loads(said.stdout)

    def accuracy(self, model, images):
        """Number right with noise off."""
        words = ["evaluate", model, "--input", images, "--passes", 1]
        return self(*words)["noise_off"]["k"]

    def attack(self, model, images, spec):
        """Our adversarial examples: their file."""
        out = self.folder / "ours.npz"
        words = ["--labels", "true", "--noise", "off", "--input", images, "--out", out]
        self("attack", model, "--attack", spec, *words)
        return out


def network(quaver, model):
    """The same weights in PyTorch, and an ONNX session."""
    topology = quaver("model", "show", model)["info"]["topology"]
    if topology not in TOPOLOGIES:
        sys.exit(f"{model}: topology {topology}, allowed are {', '.join(TOPOLOGIES)}")
    weights, graph = quaver.folder / "net.safetensors", quaver.folder / "net.onnx"
    quaver("model", "export", model, "--out", weights)
    quaver("model", "export", model, "--out", graph)
    net = make.lenet(TOPOLOGIES[topology], (6, 16), (120, 84))
    net.load_state_dict(safetensors.torch.load_file(weights), strict=False)
    return net.eval(), onnxruntime.InferenceSession(graph)


def right(logits, y):
    return int((np.asarray(logits).argmax(1) == y).sum())


def torch_right(net, x, y):
    with torch.no_grad():
        return right(net(torch.tensor(x)), y)


def peers(net, eps):
    """Name of each attack, its peers, and ours as a spec string."""
    art = PyTorchClassifier(
        net,
        torch.nn.CrossEntropyLoss(),
        (1, 28, 28),
        10,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    steps = {"eps": eps, "eps_step": STEP, "max_iter": STEPS, "verbose": False}
    iterated = f"eps={eps},step_size={STEP},n_steps={STEPS}"
    start = {"norm": np.inf, "num_random_init": 1}
    fgsm = [torchattacks.FGSM(net, eps), FastGradientMethod(art, eps=eps)]
    bim = [torchattacks.BIM(net, eps, STEP, STEPS), BasicIterativeMethod(art, **steps)]
    pgd = [torchattacks.PGD(net, eps, STEP, STEPS)]
    pgd += [ProjectedGradientDescent(art, **steps, **start)]
    return [
        ("fgsm", fgsm, f"fgsm(eps={eps})"),
        ("bim", bim, f"bim({iterated})"),
        ("pgd", pgd, f"pgd({iterated})"),
    ]


def compare(quaver, model, images, eps, failures):
    net, session = network(quaver, model)
    given = np.load(images)
    x, y = (given["x"] / 255).astype(np.float32), given["y"]
    n = len(y)
    ours, theirs = quaver.accuracy(model, images), torch_right(net, x, y)
    print(f"clean: Quaver {ours} PyTorch {theirs} of {n}", flush=True)
    for name, (torchattack, art), spec in peers(net, eps):
        found = quaver.attack(model, images, spec)
        ours = quaver.accuracy(model, found)
        adversarial = np.load(found)["x_adv"]
        in_torch = torch_right(net, adversarial, y)
        in_onnx = right(session.run(None, {"image": adversarial})[0], y)
        print(f"{name}, Quaver's: Quaver {ours} PyTorch {in_torch} onnxruntime {in_onnx}", end=" | ")
        pairs = [("ours in PyTorch", ours, in_torch), ("ours in onnxruntime", ours, in_onnx)]
        least = n
        batches = [
            ("torchattacks", torchattack(torch.tensor(x), torch.tensor(y)).detach().numpy()),
            ("ART", art.generate(x, y=y)),
        ]
        for peer, batch in batches:
            file = quaver.folder / "theirs.npz"
            np.savez(file, x=batch.clip(0, 1), y=y)
            there, here = torch_right(net, batch, y), quaver.accuracy(model, file)
            print(f"{peer}: PyTorch {there} Quaver {here}", end=" | ", flush=True)
            pairs.append((f"{peer} in Quaver", there, here))
            least = min(least, there)
        more = (ours - least) / n
        print(f"ours less the lowest {100 * more:+.1f} points", flush=True)
        failures += [f"{name} {what}: {a}, {b}" for what, a, b in pairs if abs(a - b) > 1]
        if more > POINTS:
            failures.append(f"{name}: ours leaves {100 * more:.1f} points more")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("quaver")
    parser.add_argument("mnist", type=Path)
    parser.add_argument("model", type=Path, nargs="+")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--eps", type=float, default=0.3)
    args = parser.parse_args()
    torch.manual_seed(0)
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        quaver = Quaver(args.quaver, Path(folder))
        images = quaver.folder / "images.npz"
        data = ["--dataset", "mnist", "--data-dir", args.mnist, "--n", args.n]
        quaver("data", "export", *data, "--out", images)
        for model in args.model:
            print(f"{model.name}, eps {args.eps}, {args.n} images", flush=True)
            compare(quaver, model, images, args.eps, failures)
    print("\n".join(failures) or "all agree")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
