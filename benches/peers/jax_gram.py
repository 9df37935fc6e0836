"""The plain form of nt_numpy.py as one jitted JAX function, `--precision f32|f64`: what one writes by hand instead of a library."""

import time

START = time.perf_counter()

import jax
import jax.numpy as jnp

from gram_inputs import D, LAYERS, VARIANCE_W, arguments, inputs, report


@jax.jit
def kernels(x, bias):
    kernel = VARIANCE_W / D * jnp.dot(x, x.T, precision="highest") + bias
    variance = VARIANCE_W / D * (x * x).sum(1) + bias
    ntk = kernel
    for _ in range(LAYERS):
        root = jnp.sqrt(variance)
        scale = root[:, None] * root[None]
        rho = jnp.clip(kernel / scale, -1, 1)
        theta = jnp.arccos(rho)
        kernel = VARIANCE_W / (2 * jnp.pi) * scale * (jnp.sqrt(1 - rho * rho) + (jnp.pi - theta) * rho) + bias
        variance = VARIANCE_W / 2 * variance + bias
        ntk = kernel + VARIANCE_W / (2 * jnp.pi) * (jnp.pi - theta) * ntk
    return kernel, ntk


def main():
    options = arguments(precision={"choices": ["f32", "f64"], "default": "f32"})
    jax.config.update("jax_enable_x64", options.precision == "f64")
    imported = time.perf_counter() - START
    x = jnp.asarray(inputs(options.m, "float64" if options.precision == "f64" else "float32"))
    call = lambda: jax.block_until_ready(kernels(x, options.sigma_b**2))
    report(f"jax {jax.__version__} by hand, {options.precision}", options, call, START, import_s=imported)


main()
