#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Turns the output of the benchmarks into a table, out/bench.json and out/bench.svg.

report.py INSTRUCTIONS.txt [TIME.txt]: the files are made where both are given.
"""

import json
import pathlib
import sys

TITLES = {
    "yield_pair": "sched_yield (no wake-up)",
    "futex": "futex",
    "pipe": "pipe",
    "eventfd": "eventfd",
    "condvar": "pthread condition variable",
    "seccomp_notify": "seccomp notify, sync wake-up",
    "io_uring_futex": "io_uring futex, one call",
    "server_swap": "UMCG server swap",
    "worker_swap": "UMCG worker swap",
    "run_yield": "UMCG run worker, yield",
    "block_to_server": "UMCG worker blocks, server runs",
    "wake_to_running": "UMCG woken worker runs again",
    "wake_only": "UMCG wake only",
    "wake_only_others_leave": "the same, threads of other processes leave",
    "futex_wake": "futex wake only",
    "register_unregister": "UMCG register and unregister",
    "kick": "UMCG kick of a spinning worker",
    "yield_plain": "sched_yield, no slots",
    "yield_slot_elsewhere": "the same, a thread of another process has a slot",
    "yield_slot": "the same, both threads have slots",
    "yield_slot_vcpu": "the same, and virtual CPUs",
    "yield_desched_1": "sched_yield, a word is written at each switch",
    "yield_desched_8": "the same, 8 words",
    "yield_slot_desched_1": "the same, a word, and both threads have slots",
    "mutex_short_alone": "one thread, sections of 300 ns",
    "mutex_short_futex": "8 threads, sections of 300 ns, futex",
    "mutex_short_adaptive": "the same, adaptive mutex",
    "mutex_short_blind": "the same, told that all owners run",
    "mutex_mixed_alone": "one thread, one section in ten is 20 us",
    "mutex_mixed_futex": "8 threads, one section in ten is 20 us, futex",
    "mutex_mixed_adaptive": "the same, adaptive mutex",
    "mutex_mixed_blind": "the same, told that all owners run",
    "mutex_apart_alone": "one thread, and as much work outside",
    "mutex_apart_futex": "8 threads, and as much work outside, futex",
    "mutex_apart_adaptive": "the same, adaptive mutex",
    "mutex_apart_blind": "the same, told that all owners run",
    "threads_wake_to_running": "write() until a plain thread is in user mode",
    "direct_wake_to_running": "the same, a worker in direct mode",
    "threads_round_trip": "a plain thread, there and back",
    "direct_round_trip": "a worker in direct mode, there and back",
    "critical_section": "enter and leave a critical section",
    "no_section": "the same without the section",
    "threads_batch_ring_1": "8 threads pass a token, SCHED_BATCH",
    "direct_batch_ring_1": "8 workers in direct mode, SCHED_BATCH",
    "threads_ring_1": "8 threads pass a token",
    "direct_list_ring_1": "8 workers, direct mode",
    "direct_fifo_ring_1": "the same, the kernel fills the ring",
    "direct_lend_ring_1": "the same, preempted workers lend",
    "direct_ring_1": "both",
    "lib_task_swap": "umcg_swap() of basic tasks",
    "lib_task_wake_wait": "umcg_wake() and umcg_wait() of basic tasks",
    "lib_worker_swap": "umcg_swap() of workers",
    "lib_direct_swap": "the same in direct mode",
    "lib_run_worker": "umcg_run_worker(), umcg_wait()",
    "lib_wake_run_worker": "the same, and umcg_wake(), umcg_get_idle_worker()",
    "lib_wake_pending": "umcg_wake() and umcg_wait() of itself",
    "empty_ioctl": "a command that /dev/umcg does not know",
    "empty_fadvise": "the same by posix_fadvise()",
    "futex_ring_of_10": "futex, each of 10 threads wakes the next one",
    "ring_of_10_in_10": "UMCG, each of 10 workers swaps with the next one",
    "ring_of_10_in_10000": "the same, 10,000 workers registered",
    "ring_of_10000_in_10000": "the same, all of them in the ring",
    "wait_beside_swaps_asleep": "longest wait of a sleeper beside workers that swap",
    "wait_beside_swaps_busy": "longest wait of a busy thread beside them",
    "wait_beside_yields_asleep": "sleeper, workers that yield",
    "wait_beside_yields_busy": "busy thread, the same",
    "wait_beside_futexes_asleep": "sleeper, plain threads in a ring of futexes",
    "wait_beside_futexes_busy": "busy thread, the same",
    "wait_beside_blocks_asleep": "sleeper, workers that sleep",
    "wait_beside_blocks_busy": "busy thread, the same",
    "wait_beside_sleeps_asleep": "sleeper, plain threads that sleep",
    "wait_beside_sleeps_busy": "busy thread, the same",
    "wait_beside_spin_asleep": "sleeper, one thread that spins",
    "wait_beside_spin_busy": "busy thread, the same",
}
# What the picture compares: one way from a thread to another one.
PICTURE = [
    "yield_pair", "server_swap", "run_yield", "worker_swap", "block_to_server", "futex",
    "seccomp_notify", "eventfd", "pipe", "condvar", "io_uring_futex",
]
RATIOS = {
    "server_swap_vs_futex": ("server_swap", "futex"),
    "worker_swap_vs_futex": ("worker_swap", "futex"),
    "block_to_server_vs_futex": ("block_to_server", "futex"),
    "switch_10000_vs_10": ("ring_of_10_in_10000", "ring_of_10_in_10"),
    "lib_task_swap_vs_server_swap": ("lib_task_swap", "server_swap"),
    "lib_task_wake_wait_vs_server_swap": ("lib_task_wake_wait", "server_swap"),
    "lib_worker_swap_vs_worker_swap": ("lib_worker_swap", "worker_swap"),
    "lib_direct_swap_vs_worker_swap": ("lib_direct_swap", "worker_swap"),
    "lib_run_worker_vs_run_yield": ("lib_run_worker", "run_yield"),
    "lib_wake_run_worker_vs_run_yield": ("lib_wake_run_worker", "run_yield"),
}
TIME_RATIOS = {
    "unpinned_swap_vs_futex": ("server_swap", "futex"),
}
# Instructions that a switch costs more, out and in; and by how many that is divided.
DIFFERENCES = {
    "sched_state_pair_instr": ("yield_slot", "yield_plain", 1),
    "sched_state_vcpu_instr": ("yield_slot_vcpu", "yield_plain", 1),
    "desched_pair_instr": ("yield_desched_1", "yield_plain", 1),
    "desched_entry_instr": ("yield_desched_8", "yield_desched_1", 7),
    "unregistered_instr": ("yield_slot_elsewhere", "yield_plain", 1),
    "critical_section_instr": ("critical_section", "no_section", 1),
}
CHANGES = {
    "unused_futex_change": ("futex_unused", "futex_unloaded"),
    "unused_pipe_change": ("pipe_unused", "pipe_unloaded"),
    "unused_getppid_change": ("getppid_unused", "getppid_unloaded"),
    "others_futex_change": ("futex_used_elsewhere", "futex_unloaded"),
}


class Run:
    """The measurements of one boot."""

    def __init__(self, path):
        self.facts, self.medians, self.spread, self.bytes = {}, {}, {}, {}
        # Those that were compared round by round: median, 5 % and 95 %.
        self.ratios = {}
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            word, _, rest = line.partition(" ")
            if word == "row":
                row, median, low, high = rest.split()
                self.medians[row] = float(median)
                self.spread[row] = (float(low), float(high))
            elif word == "ratio":
                key, *values = rest.split()
                self.ratios[key] = [float(value) for value in values]
            elif word == "bytes":
                row, value = rest.split()
                self.bytes[row] = int(value)
            elif word != "#":
                self.facts[word] = rest

    def quotients(self, pairs, minus=0):
        """The quotients of those pairs of rows that were measured."""
        return {
            key: round(self.medians[row] / self.medians[base] - minus, 4)
            for key, (row, base) in pairs.items()
            if row in self.medians and base in self.medians
        }

    def differences(self, pairs):
        """The differences of those pairs of rows that were measured."""
        return {
            key: round((self.medians[row] - self.medians[base]) / parts, 1)
            for key, (row, base, parts) in pairs.items()
            if row in self.medians and base in self.medians
        }


def print_rows(run, unit):
    print(f"{unit:<28}{'median':>12}{'5 %':>11}{'95 %':>11}{'/ futex':>9}")
    futex = run.medians.get("futex")
    for row, median in run.medians.items():
        low, high = run.spread[row]
        ratio = f"{median / futex:9.3f}" if futex else " " * 9
        title = "" if row == TITLES.get(row, row) else TITLES[row]
        print(f"{row:<28}{median:12.1f}{low:11.1f}{high:11.1f}{ratio}  {title}".rstrip())
    print()


def print_compared(run):
    """The comparisons by rounds, and their spread."""
    print(f"\n{'round by round':<34}{'median':>9}{'5 %':>9}{'95 %':>9}")
    for key, values in run.ratios.items():
        print(f"{key:<34}" + "".join(f"{value:9.3f}" for value in values))


def picture(medians, kernel):
    """Bars, the shortest one first, in colours that are distinct with any colour vision."""
    rows = sorted((row for row in PICTURE if row in medians), key=medians.get)
    longest = max(medians[row] for row in rows)
    left, width, step, top = 280, 420, 30, 74
    height = top + step * len(rows) + 34
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {height}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="14">',
        "<title>Instructions from one thread to another one</title>",
        "<style>.paper{fill:#fff}.text{fill:#1f2328}.faint{fill:#59636e}"
        ".umcg{fill:#0072b2}.rival{fill:#e69f00}.floor{fill:#999}"
        "@media(prefers-color-scheme:dark){.paper{fill:#0d1117}.text{fill:#f0f6fc}"
        ".faint{fill:#9198a1}.umcg{fill:#56b4e9}}</style>",
        f'<rect class="paper" width="780" height="{height}" rx="6"/>',
        '<text class="text" x="20" y="30" font-size="17" font-weight="600">'
        "Instructions of a switch between two threads, less is better</text>",
        f'<text class="faint" x="20" y="52" font-size="12">one CPU, Linux {kernel},'
        " counted by QEMU; median</text>",
    ]
    for number, row in enumerate(rows):
        y = top + step * number
        kind = "umcg" if "UMCG" in TITLES[row] else "floor" if row == "yield_pair" else "rival"
        length = round(width * medians[row] / longest)
        weight = ' font-weight="600"' if kind == "umcg" else ""
        lines += [
            f'<text class="text" x="{left - 10}" y="{y + 15}" text-anchor="end"{weight}>'
            f"{TITLES[row]}</text>",
            f'<rect class="{kind}" x="{left}" y="{y}" width="{length}" height="20" rx="2"/>',
            f'<text class="text" x="{left + length + 6}" y="{y + 15}"{weight}>'
            f"{medians[row]:,.0f}</text>",
        ]
    lines += [
        f'<text class="faint" x="20" y="{height - 14}" font-size="12">'
        "sched_yield switches without a wake-up: the lower bound of a switch</text>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def main():
    instructions = Run(sys.argv[1])
    time = Run(sys.argv[2]) if len(sys.argv) > 2 else None
    ratios = instructions.quotients(RATIOS) | instructions.quotients(CHANGES, 1)
    ratios |= instructions.differences(DIFFERENCES)

    print_rows(instructions, "instructions")
    if time:
        print_rows(time, "nanoseconds, two CPUs")
        ratios |= time.quotients(TIME_RATIOS)
    for key, value in (ratios | instructions.bytes).items():
        print(f"{key:<30}{value:10}")
    if not time:
        return
    print_compared(time)
    # The others tell who had how much.
    ratios |= {
        key: found[0]
        for run in (instructions, time)
        for key, found in run.ratios.items()
        if key.startswith("adaptive") or key.startswith("direct") and "vs_" in key
        or key == "direct_block_and_wake_instr"
    }

    result = {
        "instructions": instructions.medians,
        "time_ns": time.medians,
        "ratios": ratios,
        "round_by_round": time.ratios,
        **instructions.bytes,
        "kernel": instructions.facts["kernel"],
        "machine": {"instructions": instructions.facts["machine"], "time": time.facts["machine"]},
    }
    out = pathlib.Path(sys.argv[1]).parent
    (out / "bench.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    release = instructions.facts["kernel"].split()[0]
    (out / "bench.svg").write_text(picture(instructions.medians, release), encoding="utf-8")


main()
