"""Item h: the program itself, and how its memory grows."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time

from .quaver import ROOT, Refused
from .worker import Worker

# (what, unit, most that is allowed).
HELP = ("help text", "ms", 10.0)
MEMORY = ("peak memory in training", "MB", 300.0)
BINARY = ("binary", "MB", 15.0)
BUILD = ("clean build", "s", 180.0)


def seconds_of(command, times):
    """Median seconds of a whole process."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def build_seconds(out):
    """Seconds of a build into an empty folder."""
    folder = out / "build"
    shutil.rmtree(folder, ignore_errors=True)
    environment = os.environ | {"CARGO_TARGET_DIR": str(folder)}
    start = time.perf_counter()
    try:
        subprocess.run(
            ["cargo", "build", "--release", "--locked", "--quiet"],
            cwd=ROOT, env=environment, check=True,
        )  # fmt: skip
        return time.perf_counter() - start
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def training_peak(shared):
    """Most bytes that an epoch of training holds, ours with the data set it reads."""
    model = shared.out / "memory-model"
    model.unlink(missing_ok=True)
    return shared.quaver.process(
        "train", "--arch", "lenet5", *shared.data, "--epochs", 1, "--threads", 2, "--quiet",
        "--out", model,
    ).peak_memory  # fmt: skip


def peer_training_peak(shared):
    """The same of a PyTorch process that knows a sixth of the images."""
    with Worker(2) as worker:
        worker.ask(
            "peers", "training", model=shared.model("lenet5", "full-precision", True),
            file=shared.images(10_000), n=64, layout="contiguous", seconds=2,
        )  # fmt: skip
        return worker.ask("worker", "peak_memory")


def measure(shared, store, say):
    """Lines of (what, unit, ours, theirs or None, most allowed)."""
    program = str(shared.quaver.path)
    python = [sys.executable, "-c", "import torch"]
    startup = store.get("h help", lambda: seconds_of([program, "--help"], 20))
    peer_startup = store.get("h import torch", lambda: seconds_of(python, 3))
    peak = store.get("h training memory", lambda: training_peak(shared))
    peer_peak = store.get("h training memory of PyTorch", lambda: peer_training_peak(shared))
    size = shared.quaver.path.stat().st_size
    build = store.get("h clean build", lambda: build_seconds(shared.out))
    lines = [
        (*HELP[:2], 1e3 * startup, 1e3 * peer_startup, HELP[2]),
        (*MEMORY[:2], peak / 1e6, peer_peak / 1e6, MEMORY[2]),
        (*BINARY[:2], size / 1e6, None, BINARY[2]),
        (*BUILD[:2], build, None, BUILD[2]),
    ]
    for what, unit, ours, theirs, most in lines:
        say(f"h {what}: {ours:.1f} {unit} of at most {most:g}" + (f", PyTorch {theirs:.0f}" if theirs else ""))
    return lines


def memory(shared, store, say, million):
    """Peak memory and seconds of `quaver evaluate` over images and passes."""
    cases = [(10_000, 2), (10_000, 50), (100_000, 2), (100_000, 50)]
    cases += [(1_000_000, 2), (1_000_000, 50)] if million else []
    rows = []
    for n, passes in cases:

        def run():
            finished = shared.quaver.process(
                "evaluate", shared.model("lenet5", "full-precision", True), "--dataset", "digits",
                "--n", n, "--passes", passes, "--threads", 2, "--quiet",
            )  # fmt: skip
            return [finished.peak_memory, finished.seconds]

        try:
            peak, seconds = store.get(f"m evaluate {n} images, {passes} passes", run)
        except Refused as refusal:
            say(f"m {n} images, {passes} passes: {refusal}")
            continue
        rows.append({"images": n, "passes": passes, "peak_mb": peak / 1e6, "seconds": seconds})
        say(f"m {n} images, {passes} passes: {peak / 1e6:.0f} MB, {seconds:.1f} s")
    return rows
