"""Runs a program and tells what the whole process cost: `whole.py RESULT PROGRAM ARGUMENTS…`.

A process inherits the peak memory of the one that started it, so the one that starts must be
small: this one knows nothing but the standard library.
"""

import json
import os
import sys
import time

result, *command = sys.argv[1:]
began = time.perf_counter()
child = os.posix_spawn(command[0], command, os.environ)
_, status, usage = os.wait4(child, 0)
cost = {"seconds": time.perf_counter() - began, "peak_memory": usage.ru_maxrss * 1024}
with open(result, "w") as file:
    json.dump(cost, file)
sys.exit(os.waitstatus_to_exitcode(status))
