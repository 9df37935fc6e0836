"""Writes threefry.json, the reference values of src/num/rng/tests.rs: `python threefry.py > threefry.json` (JAX 0.10.2)."""
import json
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp

def draws(seed, stream, shape):
    key = jax.random.fold_in(jax.random.key(seed), stream)
    single = jax.random.normal(key, shape, jnp.float32)
    double = jax.random.normal(key, shape, jnp.float64)
    return {
        "seed": seed, "stream": stream,
        "key": [int(x) for x in jax.random.key_data(key)],
        "split": [[int(x) for x in jax.random.key_data(k)] for k in jax.random.split(key, 3)],
        "bits32": [int(x) for x in jax.random.bits(key, shape, jnp.uint32).ravel()],
        "bits64": [str(x) for x in jax.random.bits(key, shape, jnp.uint64).ravel()],
        "normal32": [float(x) for x in single.ravel()],
        "normal64": [float(x) for x in double.ravel()],
    }

print(json.dumps([draws(0, 0, (3, 7)), draws(42, 3, (40,)), draws(2**40 + 7, 1, (8,))], indent=1))
