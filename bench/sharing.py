#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Checks that no store on a hot path goes to a cache line that two groups share.

sharing.py OUT: OUT has the files of a boot with stores_plugin.c. Two processes have done the
same, one after the other (sharing.c). A line that both store to is shared, unless two processes of
plain threads share it too while the module is idle: the kernel's queues and clocks. Registrations
have to share data of the module, or nothing was seen.
"""

import bisect
import collections
import pathlib
import sys

PLAIN = ("futex", "pipe")
HOT = ("watched_pipe", "server_swap", "worker_swap", "run_yield", "block_and_wake",
       "direct_block_and_wake")
CONTROL = "register_unregister"
# It counts the readers of its tracepoint per CPU.
KERNEL_ONLY = {"__schedule"}
# Where x86_64 has the kernel's image, and modules above it.
IMAGE_BEGIN = 0xFFFFFFFF80000000
# As in bench.h.
BATCH = 32
# Fewer stores in a batch are those of interrupts and of kernel threads: one or two on average.
LEAST_IN_A_BATCH = BATCH / 8
MOST_SHOWN = 12


class Symbols:
    """Names of addresses in the kernel and in modules."""

    def __init__(self, path):
        symbols = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            module = f" {words[3]}" if len(words) > 3 else ""
            symbols.setdefault(int(words[0], 16), words[2] + module)
        self.addresses = sorted(symbols)
        self.names = [symbols[address] for address in self.addresses]

    def name(self, address):
        """The symbol at or below an address."""
        if address < IMAGE_BEGIN:
            return "allocated memory"
        return self.names[bisect.bisect_right(self.addresses, address) - 1]


def read_kinds(path):
    """The first of its two sets of counts, for each kind."""
    kinds = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[0] == "kind":
            kinds[words[2]] = int(words[1])
    return kinds


def read_counts(path):
    """How many batches each set has; stores of each set to each line, by instruction."""
    batches, stores = {}, collections.defaultdict(lambda: collections.defaultdict(dict))
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[0] == "begins":
            batches[int(words[1])] = int(words[2])
        else:
            number, address, instruction, times = (int(word, 0) for word in words)
            stores[number][address][instruction] = times
    return batches, stores


def main():
    out = pathlib.Path(sys.argv[1])
    kinds = read_kinds(out / "bench-stores.txt")
    batches, stores = read_counts(out / "stores-counts.txt")
    symbols = Symbols(out / "kallsyms")
    faults = 0

    def often(number):
        """The lines that a set stores to again and again."""
        least = LEAST_IN_A_BATCH * batches[number]
        return {line for line, by in stores[number].items() if sum(by.values()) >= least}

    # Stored to by both: memory of one of them may have been reused since.
    plain = set().union(*(set(stores[kinds[name]]) & set(stores[kinds[name] + 1])
                          for name in PLAIN))
    for name in (*HOT, CONTROL):
        number = kinds[name]
        shared = {line for line in (often(number) & often(number + 1)) - plain
                  if {symbols.name(place) for place in stores[number][line]} != KERNEL_ONLY}
        if name == CONTROL:
            good = any(symbols.name(line).endswith("[umcg]") for line in shared)
        else:
            good = not shared
        faults += not good
        print(f"{'ok' if good else 'not ok'} {name}: {len(often(number))} lines, "
              f"{len(shared)} shared")
        if good and name != CONTROL:
            continue
        for line in sorted(shared)[:MOST_SHOWN]:
            by = stores[number][line]
            total = sum(by.values()) / batches[number] / BATCH
            places = sorted({symbols.name(instruction) for instruction in by})[:MOST_SHOWN]
            print(f"# {line:#x} {symbols.name(line)}: {total:.2f} stores an operation, "
                  f"by {', '.join(places)}")
    sys.exit(bool(faults))


main()
