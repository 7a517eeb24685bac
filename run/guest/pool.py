# SPDX-License-Identifier: GPL-2.0
"""Threads, locks, conditions and queues of CPython."""

import queue
import threading
import time

THREADS = 8
JOBS = 200

jobs, results = queue.Queue(), queue.Queue()
lock, barrier = threading.Lock(), threading.Barrier(THREADS)
local = threading.local()
total = 0


def serve():
    """Takes jobs until there is none."""
    global total
    barrier.wait()
    local.jobs = 0
    while (number := jobs.get()) is not None:
        if number % 7 == 0:
            time.sleep(0.0005)
        with lock:
            total += number
        results.put(sum(range(number)))
        local.jobs += 1


threads = [threading.Thread(target=serve) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for job in range(JOBS):
    jobs.put(job)
for _ in threads:
    jobs.put(None)
for thread in threads:
    thread.join()
assert total == sum(range(JOBS)), total
found = sum(results.get() for _ in range(JOBS))
assert found == sum(sum(range(number)) for number in range(JOBS)), found
print("python is done")
