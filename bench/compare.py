#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""compare.py BASELINE.json NEW.json: fails if a ratio is worse."""

import json
import pathlib
import sys

TOLERANCE = 0.02
# Two CPUs of a busy machine: only significant losses count.
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


def main():
    old, new = (ratios(path) for path in sys.argv[1:3])
    worse = False

    for key, before in old.items():
        tolerance = TIME_TOLERANCE if key.startswith(("unpinned", "adaptive")) else TOLERANCE
        now = new.get(key)
        bad = now is None or now > before * (1 + tolerance)
        worse |= bad
        change = "not measured" if now is None else f"{now:10.4f} {now / before - 1:+8.2%}"
        print(f"{'WORSE' if bad else 'ok':<6}{key:<28}{before:10.4f} {change}")
    if worse:
        sys.exit("error: a ratio is worse than in bench/baseline.json")


main()
