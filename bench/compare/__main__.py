"""The command behind `bench/compare/run`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

from . import checks, items, measure, paper, program, table
from .quaver import ROOT, Quaver, Refused
from .setting import ARCHITECTURES, TOPOLOGIES, Setting

LETTERS = "abcdefghsm"


def arguments():
    parser = argparse.ArgumentParser(
        prog="bench/compare/run",
        description="Quaver and the Python stack in turn on the same work: a training, b forward, "
        "c input gradient, d FGSM and PGD, e JSMA, f Monte-Carlo passes, g the whole paper, "
        "h the program itself, s AVX2 beside AVX-512, m memory over images and passes. "
        "Interrupted, the same command goes on where it was.",
    )
    parser.add_argument("--env", metavar="DIR", help="Python environment to build or use")
    parser.add_argument("--out", type=Path, help="folder of figures and tables, outside the repository")
    parser.add_argument("--data-dir", type=Path, help="folder with MNIST; digits drawn by Quaver unless given")
    parser.add_argument("--quaver", type=Path, default=ROOT / "target/release/quaver", help="the program")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of a to c, FGSM and s; the others take one")
    parser.add_argument("--seconds", type=float, default=0.5, help="seconds for each figure")
    parser.add_argument("--only", default=LETTERS, help="letters of what to measure, as a,c,h")
    parser.add_argument("--arch", default=",".join(ARCHITECTURES), help="architectures; h, m and g take lenet5")
    parser.add_argument("--topology", default=",".join(TOPOLOGIES), help="topologies; h and m take full-precision")
    parser.add_argument("--threads", default="1,2", help="numbers of threads of a to f")
    parser.add_argument("--full", action="store_true", help="peers do all images of d to f, not a part")
    parser.add_argument("--million", action="store_true", help="m goes up to 1 000 000 images")
    parser.add_argument("--steps", type=int, default=150, help="training steps a topology of g in PyTorch")
    parser.add_argument("--no-checks", action="store_true", help="leave out the check that both compute the same")
    got = parser.parse_args()
    got.only = got.only.replace(",", "")
    if unknown := set(got.only) - set(LETTERS):
        parser.error(f"--only takes letters of {LETTERS}, got {''.join(sorted(unknown))}")
    if got.rounds < 1 or got.seconds <= 0 or got.steps < 1:
        parser.error("--rounds, --seconds and --steps must be positive")
    return got


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def machine(shared):
    names = [line.partition(":")[2].strip() for line in cpu_info() if line.startswith("model name")]
    versions = ", ".join(
        f"{name} {version(package)}"
        for name, package in [
            ("PyTorch", "torch"),
            ("torchattacks", "torchattacks"),
            ("ART", "adversarial-robustness-toolbox"),
        ]
    )
    cpu = names[0] if names else platform.processor()
    return (
        f"{cpu}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}{load()}; {versions}; "
        f"images: {shared.data[1]}. Medians of rounds run in turn, with their ranges."
    )


def load():
    """What else keeps the machine busy: figures taken beside it are not fit to be told."""
    busy = os.getloadavg()[0]
    return f"; LOAD {busy:.1f} BEFORE THE START" if busy > 0.5 else ""


def cpu_info():
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def main():
    args = arguments()
    out = args.out or Path(os.environ.get("TMPDIR", "/tmp")) / "quaver-compare"
    data = ["--dataset", "mnist", "--data-dir", str(args.data_dir)] if args.data_dir else ["--dataset", "digits"]
    quaver = Quaver(args.quaver)
    cases = [(a, t) for a in args.arch.split(",") for t in args.topology.split(",")]
    shared = Setting(quaver, out, data, args.seconds, args.full, cases)
    shared.prepare(say)
    store = measure.Store(out / "measurements.jsonl", quaver.hash)
    results = {"schema": 1, "machine": machine(shared), "binary": quaver.hash, "rows": []}

    def keep():
        (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        (out / "table.md").write_text(table.markdown(results) + "\n")

    with measure.Workers() as workers:
        run(args, shared, store, workers, results, keep)
    keep()
    print(table.markdown(results))
    print("## Targets\n\n" + "\n".join(f"- {line}" for line in table.targets(results)))
    say(f"written to {out}: table.md, results.json, measurements.jsonl")
    return 1 if any(not line[4] for line in results.get("checks", [])) else 0


def run(args, shared, store, workers, results, keep):
    """Everything asked for, kept after each part."""
    cases = shared.cases
    if not args.no_checks:
        results["checks"] = []
        for arch, topology in cases:
            lines = store.get(f"checks {arch} {topology}", lambda: checks.check(shared, arch, topology, workers))
            results["checks"] += lines
            for what, ours, theirs, bound, holds in lines:
                say(f"{'same' if holds else 'NOT THE SAME'}: {what}: {ours:.4f}, {theirs:.4f} within {bound:.3f}")
            keep()
    wanted = [item for item in items.items(shared) if item.letter in args.only]
    for item in wanted:
        for case in cases:
            for threads in map(int, args.threads.split(",")):
                row = measure.measure(item, (*case, threads), shared, store, workers, args.rounds, say)
                results["rows"].append(row)
                keep()
    if "s" in args.only:
        results["simd"] = measure.instruction_sets(shared, store, args.rounds, say)
    if "h" in args.only:
        results["program"] = program.measure(shared, store, say)
    if "m" in args.only:
        results["memory"] = program.memory(shared, store, say, args.million)
    if "g" in args.only:
        results["paper"] = paper.measure(shared, store, workers, say, args.steps)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Refused, RuntimeError, OSError) as problem:
        sys.exit(f"compare: {problem}")
    except KeyboardInterrupt:
        sys.exit("compare: interrupted; the same command goes on where it was")
