// SPDX-License-Identifier: GPL-2.0

import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/** Threads that make garbage, and virtual threads that sleep. Prints "right" if all sums are right. */
public final class Work {
    private static final int TASKS = 8;
    private static final int ROUNDS = 25;
    private static final int KEYS = 2000;
    private static final int VIRTUAL = 500;

    /** A sum over maps that soon become garbage. */
    private static long sumOfMaps(int seed) {
        long sum = 0;

        for (int round = 0; round < ROUNDS; round++) {
            TreeMap<Integer, byte[]> map = new TreeMap<>();

            for (int key = 0; key < KEYS; key++) {
                byte[] value = new byte[100];
                value[key % 100] = (byte) (seed + round);
                map.put(key * 7919 % KEYS, value);
            }
            for (byte[] value : map.values()) {
                for (byte one : value) {
                    sum += one;
                }
            }
        }
        return sum;
    }

    private static long collections() {
        return ManagementFactory.getGarbageCollectorMXBeans().stream()
            .mapToLong(bean -> Math.max(0, bean.getCollectionCount())).sum();
    }

    public static void main(String[] arguments) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(TASKS);
        List<Future<Long>> sums = new ArrayList<>();
        boolean right = true;

        for (int task = 0; task < TASKS; task++) {
            int seed = task;
            sums.add(pool.submit((Callable<Long>) () -> sumOfMaps(seed)));
        }
        for (int task = 0; task < TASKS; task++) {
            long expected = 0;

            for (int round = 0; round < ROUNDS; round++) {
                expected += (long) KEYS * (task + round);
            }
            right &= sums.get(task).get() == expected;
        }
        pool.shutdown();

        CountDownLatch ended = new CountDownLatch(VIRTUAL);
        AtomicInteger counter = new AtomicInteger();

        for (int thread = 0; thread < VIRTUAL; thread++) {
            Thread.startVirtualThread(() -> {
                LockSupport.parkNanos(1_000_000);
                synchronized (counter) {
                    counter.incrementAndGet();
                }
                ended.countDown();
            });
        }
        ended.await();
        right &= counter.get() == VIRTUAL && collections() > 0;
        System.out.println((right ? "right" : "wrong") + ", " + collections() + " collections");
        System.exit(right ? 0 : 1);
    }
}
