"""JAX: one jitted step, parameters and state donated."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from workload import BETA1, BETA2, EPS, LR, D, arguments, data, measure

n, T = arguments()
xs, ys = (jnp.asarray(a) for a in data())


@jax.jit
def initial(key):
    k = jax.random.split(key, 4)
    shapes = [(n, D), (n, n), (n, n), (n,)]
    P = [jax.random.normal(k, s, jnp.float32) for k, s in zip(k, shapes)]
    return [P[0], P[1] * n**-0.5, P[2] * n**-0.5, P[3]]


def forward(P):
    U, A, B, v = P
    x = jnp.tanh(B @ jnp.tanh(A @ jnp.tanh(U @ xs)))
    return v @ x / n


def loss(P):
    f = forward(P)
    return ((f - ys) ** 2).mean() / 2, f


@partial(jax.jit, donate_argnums=(0, 1, 2))
def train(P, m, v, t):
    (_, f), g = jax.value_and_grad(loss, has_aux=True)(P)
    g = [n * a for a in g]
    m = [BETA1 * a + (1 - BETA1) * b for a, b in zip(m, g)]
    v = [BETA2 * a + (1 - BETA2) * b * b for a, b in zip(v, g)]
    c1, c2 = 1 - BETA1 ** (t + 1), 1 - BETA2 ** (t + 1)
    rates = [LR, LR / n, LR / n, LR]
    P = [p - r * (a / c1) / jnp.sqrt(b / c2 + EPS**2) for p, r, a, b in zip(P, rates, m, v)]
    return P, m, v, f


P = initial(jax.random.key(0))
m, v = [jnp.zeros_like(p) for p in P], [jnp.zeros_like(p) for p in P]


def step(t):
    global P, m, v
    if t == T:
        return np.asarray(jax.jit(forward)(P))
    P, m, v, f = train(P, m, v, jnp.float32(t))
    jax.block_until_ready(P)
    return np.asarray(f)


measure(f"jax {jax.__version__}", step, T)
