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

    /**
     * Reserves memory.
     *
     * @throws MemoryBudgetException if there is not so much left; nothing is reserved then
     */
    void reserve(long bytes) {
        while (true) {
            long before = reservedBytes.get();
            if (bytes > limitBytes - before) {
                throw new MemoryBudgetException(bytes, limitBytes);
            }
            if (reservedBytes.compareAndSet(before, before + bytes)) {
                return;
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
