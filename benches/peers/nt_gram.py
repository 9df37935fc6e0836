"""NNGP and tangent kernel of gram.tp by neural-tangents; `--precision f32|f64`, `--with-tensorflow`."""

import time

START = time.perf_counter()

import os
import sys
import types

from gram_inputs import LAYERS, VARIANCE_W, arguments, inputs, report

OPTIONS = arguments(
    precision={"choices": ["f32", "f64"], "default": "f32"},
    with_tensorflow={"action": "store_true", "help": "import the package as pip installs it"},
)
if not OPTIONS.with_tensorflow:
    # The package imports its TensorFlow bridge, which nothing here uses: without it, TensorFlow need not be installed or loaded.
    sys.modules["neural_tangents.experimental"] = types.ModuleType("neural_tangents.experimental")

import jax
import neural_tangents
from neural_tangents import stax


def main():
    options = OPTIONS
    jax.config.update("jax_enable_x64", options.precision == "f64")
    imported = time.perf_counter() - START
    dense = lambda width: stax.Dense(width, W_std=VARIANCE_W**0.5, b_std=options.sigma_b or None)
    hidden = [layer for _ in range(LAYERS) for layer in (dense(1), stax.Relu())]
    kernel = jax.jit(stax.serial(*hidden, dense(1))[2], static_argnums=(1, 2))
    x = jax.numpy.asarray(inputs(options.m, "float64" if options.precision == "f64" else "float32"))
    call = lambda: jax.block_until_ready(tuple(kernel(x, None, ("nngp", "ntk"))))
    bridge = ", with TensorFlow" if options.with_tensorflow else ""
    library = f"neural-tangents {neural_tangents.__version__} (jax {jax.__version__}), {options.precision}{bridge}"
    report(library, options, call, START, import_s=imported, threads=len(os.sched_getaffinity(0)))


main()
