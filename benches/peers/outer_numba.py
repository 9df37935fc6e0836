"""One nonlinear outer product in Numba, fused and parallel over rows; prints G pairs/s."""

import json
import sys
import time

import numba
import numpy as np
from numba import njit, prange

n = int(sys.argv[1])
wave = lambda k, count: np.sin((1 + k) * 0.731 * np.arange(count) + 0.2).astype(np.float32)
u, w, x = wave(0, 4 * n).reshape(4, n), wave(1, 4 * n).reshape(4, n), wave(2, n)


@njit(fastmath=True, parallel=True)
def run(u, w, x, y):
    for a in prange(n):
        u0, u1, u2, u3 = u[0, a], u[1, a], u[2, a], u[3, a]
        s = np.float32(0)
        for b in range(n):
            g = u0 * w[0, b] + u1 * w[1, b] + u2 * w[2, b] + u3 * w[3, b]
            s += x[b] * g / np.sqrt(g * g + np.float32(1e-8))
        y[a] = s / n


times, y = [], np.empty(n, np.float32)
for _ in range(16):
    start = time.perf_counter()
    run(u, w, x, y)
    times.append(time.perf_counter() - start)
rate = n * n / np.median(times[1:]) / 1e9
print(json.dumps({"library": f"numba {numba.__version__}", "rate": rate, "size": float(abs(y).mean())}))
