"""Measures items in rounds, and keeps every figure as soon as it is there."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from itertools import product

from .worker import Worker


class Store:
    """Figures by key, one JSON line each; those of another program do not count."""

    def __init__(self, path, program):
        self.path, self.program, self.figures = path, program, {}
        if path.exists():
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                if entry["program"] == program:
                    self.figures[entry["key"]] = entry["value"]

    def get(self, key, measure):
        """The figure of `key`, measured if it is missing."""
        if key not in self.figures:
            value = measure()
            self.figures[key] = value
            entry = {"key": key, "value": value, "program": self.program, "time": int(time.time())}
            with self.path.open("a") as file:
                file.write(json.dumps(entry) + "\n")
        return self.figures[key]


class Workers:
    """One worker for each number of threads, started when it is needed."""

    def __init__(self):
        self.stack, self.running = ExitStack(), {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def of(self, threads):
        if threads not in self.running:
            self.running[threads] = self.stack.enter_context(Worker(threads))
        return self.running[threads]


def measure(item, case, shared, store, workers, rounds, say):
    """One row of the table: the figures of both sides, round by round."""
    arch, topology, threads = case
    model = shared.model(arch, topology, item.dropout)
    name = f"{item.letter} {item.title} · {arch} {topology}, {threads} threads"
    row = {
        "item": item.letter,
        "title": item.title,
        "arch": arch,
        "topology": topology,
        "threads": threads,
        "quaver": [],
        "peers": [],
    }

    def ask(peer, setting):
        arguments = {"model": model, "seconds": shared.seconds} | peer.arguments | setting
        return workers.of(threads).ask("peers", peer.function, **arguments)

    for peer in item.peers:
        rates = []
        for setting in peer.settings:
            n = peer.n_choice or peer.arguments["n"]
            key = f"{name} · {peer.name} · n={n} {setting} · choice"
            rates.append(store.get(key, lambda: ask(peer, setting | {"n": n})))
        best = peer.settings[max(range(len(rates)), key=rates.__getitem__)]
        part = {"name": peer.name, "target": peer.target, "setting": best, "rates": []}
        row["peers"].append(part | {"n": peer.arguments["n"]})
    for number in range(1, (1 if item.heavy else rounds) + 1):
        key = f"{name} · round {number}"
        row["quaver"].append(
            store.get(
                f"{key} · quaver",
                lambda: shared.quaver.rate(
                    model, item.images, item.work, threads, shared.seconds, *item.flags
                ),
            )
        )
        told = [f"quaver {row['quaver'][-1]:.0f}/s"]
        for peer, part in zip(item.peers, row["peers"]):
            setting = part["setting"]
            full = f"{key} · {peer.name} · n={peer.arguments['n']} {setting}"
            part["rates"].append(store.get(full, lambda: ask(peer, setting)))
            told.append(f"{peer.name} {part['rates'][-1]:.0f}/s")
        say(f"{name}, round {number}: {', '.join(told)}")
    return row


def instruction_sets(shared, store, rounds, say):
    """AVX2 beside AVX-512: (work, arch, topology, images a second of each by round)."""
    rows = []
    kinds = [("training", True), ("forward", False), ("gradient", False)]
    for (arch, topology), (work, dropout) in product(shared.cases, kinds):
        model = shared.model(arch, topology, dropout)
        row = {"work": work, "arch": arch, "topology": topology, "avx512": [], "avx2": []}
        for number in range(1, rounds + 1):
            for simd in ("avx512", "avx2"):
                rate = store.get(
                    f"simd {work} {arch} {topology} {simd} · round {number}",
                    lambda: shared.quaver.rate(
                        model, shared.images(1_000), work, 2, shared.seconds, "--simd", simd
                    ),
                )
                row[simd].append(rate)
        say(f"simd {work} {arch} {topology}: avx512 {row['avx512']}, avx2 {row['avx2']}")
        rows.append(row)
    return rows
