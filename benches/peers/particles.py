"""Errors of limits on particles beside the printed ones, for several builds of tpc or several options, as Markdown.

python benches/peers/particles.py [--seeds 16] COMMAND ...

A command is a tpc with options of `limit`: "old/tpc" or "target/release/tpc --particles 16384". Commands run in turn with
the same seeds, and are judged by all entries that need particles, against one reference: the last tpc with a million
particles and another seed. Times are processor seconds of the whole process. The root mean square of z, the distance from the
reference by both errors, is 1.18 for honest standard errors of 8 replicates (Student's law), and less where the bound on
the bias is larger than the bias.
"""

import argparse
import json
import resource
import statistics
import subprocess

import numpy as np
from measure import HERE

PROGRAM = HERE.parents[1] / "programs/mlp_mup_adam.tp"
REFERENCE = ["--particles", "65536", "--replicates", "32", "--seed", "1000003"]


def limit(command):
    """Processor seconds, and values and errors of what was sampled."""
    tpc, *options = command
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    line = [tpc, "limit", str(PROGRAM), *options, "--format", "json"]
    result = subprocess.run(line, check=False, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = json.loads(result.stdout)
    flat = lambda key: np.concatenate([np.ravel(output[key]) for output in found["outputs"]])
    sampled = flat("methods") == "particles"
    return seconds, flat("values")[sampled], flat("errors")[sampled]


def rms(x):
    return float(np.sqrt(np.mean(np.square(x))))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default=16, type=int)
    parser.add_argument("commands", nargs="+")
    options = parser.parse_args()
    commands = [command.split() for command in options.commands]
    _, reference, uncertain = limit([commands[-1][0], *REFERENCE])
    runs = {command: [] for command in options.commands}
    for seed in range(1, options.seeds + 1):
        for command, words in zip(options.commands, commands):
            runs[command].append(limit([*words, "--seed", str(seed)]))
    print(f"{options.seeds} seeds, {len(reference)} numbers; the reference is good to {rms(uncertain):.1e}\n")
    print("| | time, s | error | printed error | rms z |")
    print("|---|---|---|---|---|")
    for command in options.commands:
        seconds, values, errors = (np.array(part) for part in zip(*runs[command]))
        off = values - reference
        z = rms(off / np.hypot(errors, uncertain))
        print(f"| {command} | {statistics.median(seconds):.2f} | {rms(off):.2e} | {rms(errors):.2e} | {z:.2f} |")


main()
