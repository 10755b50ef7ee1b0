"""Quaver's side: the program that a user runs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WHOLE = Path(__file__).with_name("whole.py")


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
        with tempfile.NamedTemporaryFile() as cost:
            measured = [sys.executable, "-S", str(WHOLE), cost.name, *command]
            done = subprocess.run(measured, capture_output=True, text=True)
            if done.returncode != 0:
                raise Refused(f"{' '.join(command)}: {done.stderr.strip()}")
            return Finished(done.stdout, **json.load(cost))

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
