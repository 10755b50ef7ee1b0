"""Quaver's side: the program that a user runs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Refused(RuntimeError):
    """The program ended with an error; its own words say why."""


@dataclass
class Finished:
    """What a whole process cost."""

    output: str
    seconds: float
    peak_memory: int


class Quaver:
    """The program at `path`."""

    def __init__(self, path):
        self.path = Path(path)
        if not self.path.is_file():
            raise Refused(f"no program at {path}: cargo build --release makes it")
        self.hash = hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]

    def process(self, *arguments):
        """Runs a whole process and measures it."""
        command = [str(self.path), *map(str, arguments)]
        began = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        # Progress is off, so what is told on standard error fits into the pipe.
        output, error = child.stdout.read(), child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        if child.returncode != 0:
            raise Refused(f"{' '.join(command)}: {error.strip()}")
        return Finished(output, seconds, usage.ru_maxrss * 1024)

    def json(self, *arguments):
        """The document that a command prints."""
        return json.loads(self.process(*arguments, "--json", "--quiet").output)

    def rate(self, model, file, work, threads, seconds, *flags):
        """Images a second of one kind of work, by `quaver bench`."""
        document = self.json(
            "bench", model, "--input", file, "--work", work, "--threads", threads,
            "--seconds", seconds, *flags,
        )  # fmt: skip
        return document["rows"][0]["images_per_second"]
