"""One process, measured from outside."""

import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def measure(command, keep=True):
    """Seconds, peak MiB and standard output of one process; unless it is kept, the output goes nowhere."""
    # a forced core type would slow NumPy down
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    start = time.perf_counter()
    out = subprocess.PIPE if keep else subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=out, cwd=HERE, env=environment)
    text = process.stdout.read().decode() if keep else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} failed")
    return seconds, usage.ru_maxrss / 1024, text
