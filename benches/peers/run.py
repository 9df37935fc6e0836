"""Runs tpc and its peers in turn and prints medians and ratios as Markdown.

python benches/peers/run.py [--tpc target/release/tpc] [--repeat 5] [--width 4096]

The whole process and its peak memory are those of 5 steps. A steady step is, for all alike, the difference of the whole
times with 25 and with 15 steps, divided by ten, in one round: a compiler may do something else for few steps.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

from measure import HERE, measure


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tpc", default=HERE.parents[1] / "target/release/tpc", type=Path)
    parser.add_argument("--repeat", default=5, type=int)
    parser.add_argument("--width", default=4096, type=int)
    options = parser.parse_args()
    n, tpc = str(options.width), str(options.tpc.resolve())

    def command(peer, steps):
        if peer == "tpc":
            program = str(HERE.parent / "workload.tp")
            tail = ["--width", n, "--set", f"T={steps}", "--precision", "f32", "--seeds", "1"]
            return [tpc, "run", program, *tail, "--format", "json"]
        return [sys.executable, f"{peer}_train.py", n, str(steps)]

    peers = ["tpc", "numpy", "numba", "jax", "torch"]
    wall, step, peak, name = ({peer: [] for peer in peers} for _ in range(4))
    for _ in range(options.repeat):
        for peer in peers:
            short, memory, text = measure(command(peer, 5))
            some, _, _ = measure(command(peer, 15))
            many, _, _ = measure(command(peer, 25))
            wall[peer].append(short)
            step[peer].append((many - some) / 10)
            peak[peer].append(memory)
            name[peer] = "tpc" if peer == "tpc" else json.loads(text)["library"]
    ratio = lambda of, peer: statistics.median(a / b for a, b in zip(of[peer], of["tpc"]))
    print("| | whole process, s | × tpc | steady step, ms | × tpc | peak, MiB | tpc's share |")
    print("|---|---|---|---|---|---|---|")
    for peer in peers:
        times = [statistics.median(of[peer]) for of in (wall, step, peak)]
        print(
            f"| {name[peer]} | {times[0]:.2f} | {ratio(wall, peer):.1f} | {1e3 * times[1]:.0f} "
            f"| {ratio(step, peer):.1f} | {times[2]:.0f} | {1 / ratio(peak, peer):.2f} |"
        )


main()
