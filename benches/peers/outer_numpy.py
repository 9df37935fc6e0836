"""One nonlinear outer product in NumPy, by blocks of 32 rows that stay in the cache; prints G pairs/s."""

import json
import sys
import time

import numpy as np

n, eps2, rows = int(sys.argv[1]), np.float32(1e-8), 32
wave = lambda k, count: np.sin((1 + k) * 0.731 * np.arange(count) + 0.2).astype(np.float32)
u = np.ascontiguousarray(wave(0, 4 * n).reshape(4, n).T)
w, x = wave(1, 4 * n).reshape(4, n), wave(2, n)
g, r, y = np.empty((rows, n), np.float32), np.empty((rows, n), np.float32), np.empty(n, np.float32)


def run():
    for a in range(0, n, rows):
        np.matmul(u[a : a + rows], w, out=g)
        np.multiply(g, g, out=r)
        np.add(r, eps2, out=r)
        np.sqrt(r, out=r)
        np.divide(g, r, out=r)
        np.matmul(r, x, out=y[a : a + rows])
    return y / n


times = []
for _ in range(15):
    start = time.perf_counter()
    out = run()
    times.append(time.perf_counter() - start)
rate = n * n / np.median(times) / 1e9
print(json.dumps({"library": f"numpy {np.__version__}", "rate": rate, "size": float(abs(out).mean())}))
