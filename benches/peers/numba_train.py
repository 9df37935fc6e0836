"""NumPy products with all samples at once; Numba fuses the gradient of a matrix with its Adam step."""

import numba
import numpy as np
from numba import njit, prange
from workload import BETA1, BETA2, EPS, LR, M, D, arguments, data, measure

n, T = arguments()
xs, ys = data()
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape, dtype=np.float32)


P = [normal(n, D), normal(n, n), normal(n, n), normal(n, 1)]
P[1] *= np.float32(n**-0.5)
P[2] *= np.float32(n**-0.5)
first = [np.zeros_like(p) for p in P]
second = [np.zeros_like(p) for p in P]


@njit(fastmath=True, parallel=True)
def adam(p, m, v, d, x, lr, c1, c2):
    """One step; the gradient is d xᵀ, with x transposed so that its rows are contiguous."""
    b1, b2 = np.float32(BETA1), np.float32(BETA2)
    o1, o2 = np.float32(1 - BETA1), np.float32(1 - BETA2)
    e2 = np.float32(EPS * EPS)
    for a in prange(p.shape[0]):
        g = np.zeros(p.shape[1], np.float32)
        for i in range(d.shape[1]):
            s = d[a, i]
            for b in range(p.shape[1]):
                g[b] += s * x[i, b]
        for b in range(p.shape[1]):
            m[a, b] = b1 * m[a, b] + o1 * g[b]
            v[a, b] = b2 * v[a, b] + o2 * g[b] * g[b]
            p[a, b] -= lr * (m[a, b] * c1) / np.sqrt(v[a, b] * c2 + e2)


def step(t):
    U, A, B, v = P
    x1 = np.tanh(U @ xs)
    x2 = np.tanh(A @ x1)
    x3 = np.tanh(B @ x2)
    f = v[:, 0] @ x3 / n
    if t == T:
        return f
    e = (f - ys) / M
    d3 = np.outer(v[:, 0], e).astype(np.float32) * (1 - x3 * x3)
    d2 = (B.T @ d3) * (1 - x2 * x2)
    d1 = (A.T @ d2) * (1 - x1 * x1)
    c1, c2 = np.float32(1 / (1 - BETA1 ** (t + 1))), np.float32(1 / (1 - BETA2 ** (t + 1)))
    factors = [(d1, xs.T), (d2, x1.T), (d3, x2.T), (x3, e[:, None])]
    for p, m, v, (d, x), lr in zip(P, first, second, factors, (LR, LR / n, LR / n, LR)):
        adam(p, m, v, d, np.ascontiguousarray(x), np.float32(lr), c1, c2)
    return f


measure(f"numpy {np.__version__} + numba {numba.__version__}", step, T)
