"""NumPy: products with all samples at once, Adam in place with two buffers of the size of a matrix."""

import numpy as np
from workload import BETA1, BETA2, EPS, LR, M, D, arguments, data, measure

n, T = arguments()
xs, ys = data()
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape, dtype=np.float32)


scale = np.float32(n**-0.5)
P = [normal(n, D), normal(n, n), normal(n, n), normal(n)]
P[1] *= scale
P[2] *= scale
first = [np.zeros_like(p) for p in P]
second = [np.zeros_like(p) for p in P]
g, buffer = np.empty((n, n), np.float32), np.empty((n, n), np.float32)


def adam(p, m, v, g, b, lr, t):
    m *= BETA1
    np.multiply(g, 1 - BETA1, out=b)
    m += b
    v *= BETA2
    np.multiply(g, g, out=b)
    b *= 1 - BETA2
    v += b
    np.multiply(v, 1 / (1 - BETA2 ** (t + 1)), out=b)
    b += EPS**2
    np.sqrt(b, out=b)
    np.divide(m, b, out=b)
    b *= lr / (1 - BETA1 ** (t + 1))
    p -= b


def step(t):
    U, A, B, v = P
    x1 = np.tanh(U @ xs)
    x2 = np.tanh(A @ x1)
    x3 = np.tanh(B @ x2)
    f = v @ x3 / n
    if t == T:
        return f
    e = (f - ys) / M  # n dL/d(f n)
    d3 = np.outer(v, e) * (1 - x3 * x3)
    d2 = (B.T @ d3) * (1 - x2 * x2)
    d1 = (A.T @ d2) * (1 - x1 * x1)
    gv, gU = x3 @ e, d1 @ xs.T
    np.matmul(d2, x1.T, out=g)
    adam(A, first[1], second[1], g, buffer, LR / n, t)
    np.matmul(d3, x2.T, out=g)
    adam(B, first[2], second[2], g, buffer, LR / n, t)
    adam(U, first[0], second[0], gU, np.empty_like(gU), LR, t)
    adam(v, first[3], second[3], gv, np.empty_like(gv), LR, t)
    return f


measure(f"numpy {np.__version__}", step, T)
