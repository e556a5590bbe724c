package io.datainf.engine.run;

import java.util.concurrent.atomic.AtomicLong;

/** Bytes of rows held over all runs, and their limit. Safe for any number of threads. */
final class MemoryBudget {

    private final long limitBytes;
    private final AtomicLong reservedBytes = new AtomicLong();

    MemoryBudget(long limitBytes) {
        if (limitBytes < 0) {
            throw new IllegalArgumentException("memoryBudgetBytes is %d: expected 0 or more".formatted(limitBytes));
        }
        this.limitBytes = limitBytes;
    }

    /** Reserves memory, if there is so much left; returns whether there is. */
    boolean tryReserve(long bytes) {
        while (true) {
            long before = reservedBytes.get();
            if (bytes > limitBytes - before) {
                return false;
            }
            if (reservedBytes.compareAndSet(before, before + bytes)) {
                return true;
            }
        }
    }

    void release(long bytes) {
        reservedBytes.addAndGet(-bytes);
    }

    long reservedBytes() {
        return reservedBytes.get();
    }

    long limitBytes() {
        return limitBytes;
    }
}
