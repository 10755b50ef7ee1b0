"""A process that does the peers' work with a given number of threads.

Reads one JSON request a line and answers each with one line. `Worker` is its other end.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys


class Worker:
    """A running worker; it ends with the `with` block."""

    def __init__(self, threads):
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "compare.worker", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def ask(self, module, function, **arguments):
        """The answer of `compare.module.function(**arguments)`."""
        request = {"module": module, "function": function, "arguments": arguments}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker died of {module}.{function}({arguments})")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{module}.{function}: {answer['error']}")
        return answer["result"]


def peak_memory():
    """Most bytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    # Libraries print: answers keep the real standard output to themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import importlib

    import torch

    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(0)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            module = importlib.import_module(f"compare.{request['module']}")
            result = getattr(module, request["function"])(**request["arguments"])
            answer = {"result": result}
        except Exception as error:  # The other end reports it; the worker stays.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
