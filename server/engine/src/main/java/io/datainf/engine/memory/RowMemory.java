package io.datainf.engine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Where rows get memory from, and where it goes back to. What was let go is kept for a while for the next that ask for as much: to take a page
 * from the kernel costs more than to receive a row of that size (see ADR 5). Safe for any number of threads.
 */
public final class RowMemory {

    private final LongSupplier spareLimitBytes;

    // The last one let go is the last; it is used first, for the caches. Guarded by this.
    private final Deque<Spare> spares = new ArrayDeque<>();
    // Written under the lock of this.
    private volatile long spareBytes;

    /** Memory that nobody uses, all zeros; {@code touchedBytes} of it are backed by pages. */
    private record Spare(MemorySegment memory, long touchedBytes, long sinceNanos) {}

    /**
     * Creates a place that keeps nothing at first.
     *
     * @param spareLimitBytes most bytes that may be kept, asked each time
     */
    public RowMemory(LongSupplier spareLimitBytes) {
        this.spareLimitBytes = spareLimitBytes;
    }

    /** Creates a place that never keeps anything. */
    static RowMemory keepingNothing() {
        return new RowMemory(() -> 0);
    }

    /**
     * Returns at least {@code bytes} zeroed bytes, aligned to a huge page, that come back when the arena is closed.
     *
     * @param touchedBytes tells then up to where they may have been written; 0 if that is not worth knowing
     * @throws OutOfMemoryError if the kernel refuses
     */
    @SuppressWarnings("restricted") // memory of ours gets the lifetime of the arena
    MemorySegment map(long bytes, Arena arena, LongSupplier touchedBytes) {
        MemorySegment spare = takeSpare(AnonymousMemory.roundedUp(bytes));
        MemorySegment memory = spare == null ? AnonymousMemory.map(bytes) : spare;
        return memory.reinterpret(arena, ignored -> letGo(memory, touchedBytes.getAsLong()));
    }

    private synchronized @Nullable MemorySegment takeSpare(long bytes) {
        Iterator<Spare> newestFirst = spares.descendingIterator();
        while (newestFirst.hasNext()) {
            Spare spare = newestFirst.next();
            if (spare.memory().byteSize() == bytes) {
                newestFirst.remove();
                spareBytes -= spare.touchedBytes();
                return spare.memory();
            }
        }
        return null;
    }

    private void letGo(MemorySegment memory, long touchedBytes) {
        long touched = Math.min(touchedBytes, memory.byteSize());
        if (touched > 0 && touched <= spareLimitBytes.getAsLong() - spareBytes) {
            memory.asSlice(0, touched).fill((byte) 0);
            synchronized (this) {
                spares.addLast(new Spare(memory, touched, System.nanoTime()));
                spareBytes += touched;
            }
            // Others may have come between, or the limit may have fallen.
            shrinkToLimit();
        } else {
            AnonymousMemory.unmap(memory);
        }
    }

    /** Bytes that are kept and used by nobody. */
    public long spareBytes() {
        return spareBytes;
    }

    /** Gives the kernel back what is beyond the limit. */
    public void shrinkToLimit() {
        while (spareBytes > 0 && spareBytes > spareLimitBytes.getAsLong() && giveBackOldest(Duration.ZERO)) {
            // one by one
        }
    }

    /** Gives the kernel back what nobody has wanted for so long. */
    public void giveBack(Duration unwanted) {
        while (spareBytes > 0 && giveBackOldest(unwanted)) {
            // one by one
        }
    }

    private boolean giveBackOldest(Duration unwanted) {
        Spare oldest;
        synchronized (this) {
            oldest = spares.peekFirst();
            if (oldest == null || System.nanoTime() - oldest.sinceNanos() < unwanted.toNanos()) {
                return false;
            }
            spares.removeFirst();
            spareBytes -= oldest.touchedBytes();
        }
        AnonymousMemory.unmap(oldest.memory());
        return true;
    }
}
