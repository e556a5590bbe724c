package io.datainf.engine.run;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.function.IntToLongFunction;

/**
 * Finds the newest ordinal of a sample id. An open-addressing table of ordinals, 4 bytes a slot; ids are looked up by
 * ordinal rather than kept twice.
 *
 * <p>Threads: one writes, any number read. A reader sees what was put before it was handed the owner's current state.
 */
final class OrdinalIndex {

    private static final int FIRST_SLOTS = 64;
    private static final int MOST_SLOTS = 1 << 30;
    private static final int FREE = 0;
    // 2^64 divided by the golden ratio: spreads ids that count up.
    private static final long SPREAD = 0x9E3779B97F4A7C15L;

    private final IntToLongFunction idOfOrdinal;
    // Holds ordinal + 1. Replaced as a whole when it grows.
    private volatile AtomicIntegerArray slots = new AtomicIntegerArray(FIRST_SLOTS);
    private int used;

    /** Creates an empty index; {@code idOfOrdinal} gives the id of every ordinal that was put. */
    OrdinalIndex(IntToLongFunction idOfOrdinal) {
        this.idOfOrdinal = idOfOrdinal;
    }

    /** Returns the ordinal put last for this id, or -1. */
    int find(long id) {
        AtomicIntegerArray table = slots;
        return table.getAcquire(slotOf(table, id)) - 1;
    }

    /** Sets the ordinal of an id. */
    void put(long id, int ordinal) {
        AtomicIntegerArray table = slots;
        int slot = slotOf(table, id);
        boolean added = table.getPlain(slot) == FREE;
        table.setRelease(slot, ordinal + 1);
        if (added && ++used > table.length() / 8 * 5) {
            grow(table);
        }
    }

    /** Forgets everything. */
    void clear() {
        if (used > 0) {
            slots = new AtomicIntegerArray(FIRST_SLOTS);
            used = 0;
        }
    }

    private void grow(AtomicIntegerArray table) {
        if (table.length() == MOST_SLOTS) {
            throw new IllegalStateException(
                    "the run holds %d samples: at most that many are supported".formatted(used));
        }
        AtomicIntegerArray grown = new AtomicIntegerArray(table.length() * 2);
        for (int slot = 0; slot < table.length(); slot++) {
            int entry = table.getPlain(slot);
            if (entry != FREE) {
                grown.setPlain(slotOf(grown, idOfOrdinal.applyAsLong(entry - 1)), entry);
            }
        }
        slots = grown;
    }

    /** The slot that holds the id, or the free one where it belongs. */
    private int slotOf(AtomicIntegerArray table, long id) {
        int mask = table.length() - 1;
        int slot = (int) ((id * SPREAD) >>> (Integer.SIZE + Integer.numberOfLeadingZeros(mask)));
        while (true) {
            int entry = table.getAcquire(slot);
            if (entry == FREE || idOfOrdinal.applyAsLong(entry - 1) == id) {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }
}
