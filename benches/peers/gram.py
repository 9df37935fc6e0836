"""Both Gram matrices of a relu net, NNGP and tangent kernel, by tpc and its peers in turn; prints Markdown.

python benches/peers/gram.py [gram.tp] [--tpc target/release/tpc] [--nt-python VENV/bin/python] [--repeat 7] [--m 1024]
    [--sigma-b 0.1] [--threads 1]

The whole process computes both once and writes them to an .npz; standard output is thrown away. `nt-f64-pip` is neural-tangents as
pip installs it: importing it imports TensorFlow. A steady call is the best of seven in a process of its own, once per round, after the
first call, which compiles; that of tpc is from `cargo bench --bench kernels -- gram` (M = 1024), from the inputs to both matrices.
Differences are relative to the NumPy reference, entry by entry, the largest over all; the diagonal of the tangent kernel apart, since
1 − ρ² cancels there.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from measure import HERE, measure


BENCH = ["cargo", "bench", "--quiet", "--bench", "kernels", "--", "gram"]


def differences(arrays, reference):
    """Largest relative ones: nngp, ntk off the diagonal, ntk on it."""
    error = {k: np.abs(arrays[k].astype(float) - reference[k]) / np.abs(reference[k]) for k in ("nngp", "ntk")}
    diagonal = np.diag(error["ntk"]).max()
    np.fill_diagonal(error["ntk"], 0)
    return error["nngp"].max(), error["ntk"].max(), diagonal


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", default=HERE.parent / "gram.tp", type=Path)
    parser.add_argument("--tpc", default=HERE.parents[1] / "target/release/tpc", type=Path)
    parser.add_argument("--nt-python", default=sys.executable, help="a Python that has neural-tangents and its older jax")
    parser.add_argument("--repeat", default=7, type=int)
    parser.add_argument("--m", default=1024, type=int)
    parser.add_argument("--sigma-b", default=0.0, type=float)
    parser.add_argument("--threads", type=int, help="cores for everybody; all by default")
    parser.add_argument("--peers", default="nt-f32-pip,nt-f64-pip,nt-f32,nt-f64,jax-f32,jax-f64,numpy,reference", help="those to run")
    parser.add_argument("--tpc-arguments", default="", help="more for `tpc limit`, separated by spaces")
    options = parser.parse_args()
    if options.threads:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])  # children inherit it
    folder = Path(tempfile.mkdtemp())
    m, bias = str(options.m), str(options.sigma_b)

    def command(peer):
        output = str(folder / f"{peer}.npz")
        if peer == "tpc":
            sets = ["--set", f"M={m}", "--set", f"sigma_b={bias}"]
            more = options.tpc_arguments.split()
            program = str(options.program.resolve())
            return [str(options.tpc.resolve()), "limit", "-q", program, *sets, *more, "-o", output, "--force"]
        tail = [m, "--sigma-b", bias, "--output", output]
        kind, _, precision = peer.partition("-")
        if kind == "nt":
            precision, _, pip = precision.partition("-")
            return [options.nt_python, "nt_gram.py", *tail, "--precision", precision, *(["--with-tensorflow"] if pip else [])]
        if kind == "jax":
            return [sys.executable, "jax_gram.py", *tail, "--precision", precision]
        return [sys.executable, "nt_numpy.py", *tail, *(["--plain"] if kind == "numpy" else [])]

    peers = ["tpc", *options.peers.split(",")]
    wall, steady, peak = ({peer: [] for peer in peers} for _ in range(3))
    name = {"tpc": "tpc"}
    for _ in range(options.repeat):
        for peer in peers:
            seconds, memory, text = measure(command(peer), peer != "tpc")
            wall[peer].append(seconds)
            peak[peer].append(memory)
            if peer == "tpc":
                text = subprocess.run(BENCH, capture_output=True, text=True, check=True, cwd=HERE).stdout
                same = options.m == 1024 and options.sigma_b == 0
                steady[peer].append(float(re.search(r"M 1024: ([0-9.]+) ms", text)[1]) if same else float("nan"))
                continue
            result = json.loads(text)
            name[peer] = result["library"]
            _, _, text = measure(command(peer) + ["--best-of", "7"], True)
            steady[peer].append(json.loads(text)["steady_ms"])
    if "reference" not in peers:
        measure(command("reference"), True)
    reference = np.load(folder / "reference.npz")
    ratio = lambda of, peer: statistics.median(a / b for a, b in zip(of[peer], of["tpc"]))
    cores = len(os.sched_getaffinity(0))
    print(f"M = {m}, sigma_b = {bias}, {cores} cores, medians of {options.repeat} rounds\n")
    print("| | whole process, s | × tpc | steady call, ms | × tpc | peak, MiB | × tpc | nngp | ntk | ntk, diagonal |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    show = lambda value, digits: "–" if value != value else f"{value:.{digits}f}"
    for peer in peers:
        with np.load(folder / f"{peer}.npz") as arrays:
            error = differences(arrays, reference)
        times = [statistics.median(of[peer]) for of in (wall, steady, peak)]
        print(
            f"| {name[peer]} | {times[0]:.2f} | {ratio(wall, peer):.1f} | {show(times[1], 1)} | {show(ratio(steady, peer), 1)} "
            f"| {times[2]:.0f} | {ratio(peak, peer):.1f} | " + " | ".join(f"{e:.0e}" for e in error) + " |"
        )


main()
