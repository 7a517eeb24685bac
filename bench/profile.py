#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Shows in which functions the instructions of an operation are executed, and by which paths.

profile.py OUT PROGRAMS ROW: OUT has the files of a boot with profile_plugin.c.
"""

import bisect
import collections
import pathlib
import subprocess
import sys

KERNEL_BEGIN = 1 << 63
# The programs are static: what is up there is the vDSO.
LIBRARIES_BEGIN = 1 << 40
# What is executed less often than this is an interrupt that came by.
LEAST = 0.5


def read_symbols(kallsyms, program):
    """Sorted lists of the addresses and of the names of all functions."""
    symbols = {}
    nm = subprocess.run(["nm", program], capture_output=True, text=True, check=True)
    for line in kallsyms.read_text(encoding="utf-8").splitlines() + nm.stdout.splitlines():
        words = line.split()
        if len(words) >= 3 and words[1] in "tTwWi":
            module = words[3] if len(words) > 3 else ""
            symbols.setdefault(int(words[0], 16), f"{words[2]} {module}".rstrip())
    addresses = sorted(symbols)
    names = [symbols[address] for address in addresses]
    plain = subprocess.run(
        ["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True
    )
    return addresses, plain.stdout.split("\n")


def read_benchmark(path, row):
    """The program that has measured the row, and its operations from mark to mark."""
    program = operations = None
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[0] == "program":
            program = words[1]
        elif words[0] == "operations":
            operations = int(words[1])
        elif words[:2] == ["row", row]:
            return program, operations
    sys.exit(f"error: there is no row {row}")


def print_table(title, counts, operations):
    total = sum(counts.values())

    print(f"{'instructions':>12} {'':>7}  {title}")
    for name, count in counts.most_common():
        if count / operations >= LEAST:
            print(f"{count / operations:12.1f} {count / total:7.1%}  {name}")
    print(f"{total / operations:12.1f} {'':>7}  all")


def main():
    out, programs, row = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    program, operations = read_benchmark(out / "bench-profile.txt", row)
    addresses, names = read_symbols(out / "kallsyms", programs / program)
    begins, *blocks = (out / "profile-counts.txt").read_text(encoding="utf-8").splitlines()
    operations *= int(begins.split()[1])
    functions, ways = collections.Counter(), collections.Counter()

    def name_of(address):
        if LIBRARIES_BEGIN <= address < KERNEL_BEGIN:
            return "clock_gettime (vDSO)"
        return names[bisect.bisect_right(addresses, address) - 1]

    def way_of(address, begin):
        if address < KERNEL_BEGIN:
            return "user mode"
        return f"kernel, from {name_of(begin)} on" if begin else "the module"

    for line in blocks:
        address, instructions, begin, executions = (int(word, 0) for word in line.split())
        functions[name_of(address)] += instructions * executions
        ways[way_of(address, begin)] += instructions * executions

    print_table("function", functions, operations)
    print()
    print_table("part, in the kernel by the function that it begins with", ways, operations)


main()
