"""The inputs of gram.tp: M points in R^32. Every argument of the sine is exact in binary64, so all libraries agree to an ulp."""

import argparse
import json
import resource
import time

import numpy as np

D, LAYERS, VARIANCE_W = 32, 4, 2.0


def inputs(m, dtype=np.float64):
    """Entries sin(3.8828125 i (j+1) + 0.369140625 i² + 1.296875 j), of shape M x 32."""
    i, j = np.arange(m, dtype=np.float64)[:, None], np.arange(D, dtype=np.float64)[None]
    return np.sin(3.8828125 * i * (j + 1) + 0.369140625 * i**2 + 1.296875 * j).astype(dtype)


def arguments(**more):
    """M, sigma_b and a file for the arrays from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("m", nargs="?", default=1024, type=int)
    parser.add_argument("--sigma-b", default=0.0, type=float)
    parser.add_argument("--output", help="an .npz for the arrays nngp and ntk")
    parser.add_argument("--best-of", default=0, type=int, help="calls after the first")
    for name, keywords in more.items():
        parser.add_argument("--" + name.replace("_", "-"), **keywords)
    return parser.parse_args()


def report(library, options, call, start, **more):
    """Calls once, then `best_of` times again; writes the arrays, prints one line of JSON. `start` is before the imports."""
    arrays = call()
    first = time.perf_counter() - start
    steady = []
    for _ in range(options.best_of):
        begin = time.perf_counter()
        call()
        steady.append(time.perf_counter() - begin)
    if options.output:
        np.savez(options.output, nngp=np.asarray(arrays[0]), ntk=np.asarray(arrays[1]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = {"import_and_first_s": first, "steady_ms": 1e3 * min(steady) if steady else None}
    print(json.dumps({"library": library, "m": options.m, **times, "peak_mib": peak, **more}))
