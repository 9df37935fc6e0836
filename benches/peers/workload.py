"""The workload's inputs, and the loop that every training script runs and times: prints one line of JSON."""

import json
import sys
import time

import numpy as np

M, D, LR, BETA1, BETA2, EPS = 8, 10, 0.1, 0.9, 0.999, 1e-4


def arguments():
    """Width and steps from the command line."""
    return int(sys.argv[1]), int(sys.argv[2])


def data():
    """Inputs xi/sqrt(d), of shape d x M, and targets, of shape M."""
    k, i = np.meshgrid(np.arange(D), np.arange(M), indexing="ij")
    inputs = np.cos(1.7 * (k * M + i) + 0.3) / np.sqrt(D)
    return inputs.astype(np.float32), np.sin(0.9 * np.arange(M)).astype(np.float32)


def measure(library, step, steps):
    """Runs step(t), which returns the outputs before its update; step(steps) updates nothing."""
    times, outputs = [], None
    for t in range(steps + 1):
        start = time.perf_counter()
        outputs = step(t)
        times.append(time.perf_counter() - start)
    outputs = np.asarray(outputs, dtype=np.float64)
    targets = data()[1]
    loss = float(((outputs - targets) ** 2).mean() / 2)
    print(json.dumps({"library": library, "steps": times[:-1], "loss": loss, "f": outputs.tolist()}))
