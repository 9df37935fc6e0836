"""NNGP and tangent kernel of gram.tp by the arc-cosine recursion in NumPy, f64.

By default the reference: carries 1 − ρ of the correlations without cancellation, so that angles near 0 keep their relative accuracy.
`--plain` is the textbook form with arccos(ρ), for speed: off by about 1e-8 relative where inputs are (nearly) parallel.
"""

import time

START = time.perf_counter()

import numpy as np

from gram_inputs import D, LAYERS, VARIANCE_W, arguments, inputs, report


def reference(x, bias):
    """`bias` is sigma_b². Returns nngp, ntk."""
    norm2 = (x * x).sum(1)
    unit = x / np.sqrt(norm2)[:, None]
    t = np.empty((len(x), len(x)))  # 1 − ρ
    for i in range(len(x)):
        t[i] = ((unit - unit[i]) ** 2).sum(1) / 2
    dot = np.einsum("ik,jk->ij", x, x, optimize=False)
    s = VARIANCE_W / D * norm2  # variances without the bias
    t = with_bias(t, s, bias)
    q = s + bias
    ntk = VARIANCE_W / D * dot + bias
    for _ in range(LAYERS):
        theta = 2 * np.arctan2(np.sqrt(t), np.sqrt(np.maximum(2 - t, 0)))
        t, kappa0 = one_minus_kappa1(theta), 1 - theta / np.pi
        s = VARIANCE_W / 2 * q
        kernel = np.sqrt(s[:, None] * s[None]) * (1 - t) + bias
        ntk = kernel + VARIANCE_W / 2 * kappa0 * ntk
        t = with_bias(t, s, bias)
        q = s + bias
    return kernel, ntk


def with_bias(t, s, bias):
    """1 − (√(s_i s_j) (1 − t) + b) / √((s_i + b)(s_j + b)), without cancellation."""
    if bias == 0:
        return t
    root = np.sqrt(s)
    mixed = root[:, None] * root[None]
    full = np.sqrt((s[:, None] + bias) * (s[None] + bias))
    return (bias * (root[:, None] - root[None]) ** 2 / (full + bias + mixed) + mixed * t) / full


def one_minus_kappa1(theta):
    """1 − (sin θ + (π − θ) cos θ)/π = 2 sin²(θ/2) − (sin θ − θ cos θ)/π, the latter by its series for small θ."""
    square = theta * theta
    series = theta * square * (1 / 3 - square * (1 / 30 - square * (1 / 840 - square * (1 / 45360 - square / 3991680))))
    rest = np.where(theta < 0.3, series, np.sin(theta) - theta * np.cos(theta))
    return 2 * np.sin(theta / 2) ** 2 - rest / np.pi


def plain(x, bias):
    kernel = VARIANCE_W / D * (x @ x.T) + bias
    ntk = kernel
    for _ in range(LAYERS):
        root = np.sqrt(np.diag(kernel))
        scale = root[:, None] * root[None]
        rho = np.clip(kernel / scale, -1, 1)
        theta = np.arccos(rho)
        kernel = VARIANCE_W / (2 * np.pi) * scale * (np.sqrt(1 - rho * rho) + (np.pi - theta) * rho) + bias
        ntk = kernel + VARIANCE_W / (2 * np.pi) * (np.pi - theta) * ntk
    return kernel, ntk


def main():
    options = arguments(plain={"action": "store_true"})
    imported = time.perf_counter() - START
    x, bias = inputs(options.m), options.sigma_b**2
    function = plain if options.plain else reference
    library = f"numpy {np.__version__}, f64, {function.__name__}"
    report(library, options, lambda: function(x, bias), START, import_s=imported)


if __name__ == "__main__":
    main()
