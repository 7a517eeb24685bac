#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""compare.py BASELINE.json NEW.json: fails if a ratio is worse."""

import json
import pathlib
import sys

TOLERANCE = 0.02
# The library may not cost more than the one that was written in C, which these were measured with.
LIBRARY_TOLERANCE = 0.005
# Threads that pass tokens work for random times.
RING_TOLERANCE = 0.05
# Two CPUs of a busy machine: only significant losses count. The same for threads that preempt each
# other on one CPU, which have more than one stable order.
TIME_TOLERANCE = 0.35


# The cost of a plain switch in instructions, to turn differences into ratios.
SWITCH = 3000


def as_ratio(key, value):
    if key.endswith("_change"):
        return value + 1
    if key.endswith("_instr"):
        return value / SWITCH + 1
    return 1 / value if key.startswith("adaptive") else value


def ratios(path):
    """All rows with a target: less is better, equal is 1; a change of 0 is a ratio of 1."""
    result = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    found = {key: as_ratio(key, value) for key, value in result["ratios"].items()}
    return found | {"task_bytes": result["task_bytes"]}


def tolerance_of(key):
    if key.startswith(("unpinned", "adaptive")) or "two_cpus" in key or "_normal_" in key:
        return TIME_TOLERANCE
    if key.startswith("lib_"):
        return LIBRARY_TOLERANCE
    return RING_TOLERANCE if key.startswith("direct") else TOLERANCE


def main():
    old, new = (ratios(path) for path in sys.argv[1:3])
    worse = False

    for key, before in old.items():
        now = new.get(key)
        bad = now is None or now > before * (1 + tolerance_of(key))
        worse |= bad
        change = "not measured" if now is None else f"{now:10.4f} {now / before - 1:+8.2%}"
        print(f"{'WORSE' if bad else 'ok':<6}{key:<28}{before:10.4f} {change}")
    if worse:
        sys.exit("error: a ratio is worse than in bench/baseline.json")


main()
