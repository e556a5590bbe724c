package io.datainf.client;

import java.util.Arrays;

/** The ids of one batch: open addressing over primitive longs, emptied without touching the table. */
final class IdSet {
    private static final int FIRST_CAPACITY = 64;
    private static final long MIX = 0x9E37_79B9_7F4A_7C15L;

    private long[] ids = new long[FIRST_CAPACITY];
    /** A slot is taken while its stamp is the present one. */
    private int[] stamps = new int[FIRST_CAPACITY];

    private int stamp = 1;
    private int size;

    boolean contains(long id) {
        return stamps[slotOf(id)] == stamp;
    }

    /** Returns false if the id was there already. */
    boolean add(long id) {
        int slot = slotOf(id);
        if (stamps[slot] == stamp) {
            return false;
        }
        stamps[slot] = stamp;
        ids[slot] = id;
        size++;
        if (2 * size > ids.length) {
            grow();
        }
        return true;
    }

    void clear() {
        size = 0;
        stamp++;
        if (stamp == 0) {
            Arrays.fill(stamps, 0);
            stamp = 1;
        }
    }

    /** Where the id is, or would be. */
    private int slotOf(long id) {
        int mask = ids.length - 1;
        int slot = (int) ((id * MIX) >>> Integer.SIZE) & mask;
        while (stamps[slot] == stamp && ids[slot] != id) {
            slot = (slot + 1) & mask;
        }
        return slot;
    }

    private void grow() {
        long[] oldIds = ids;
        int[] oldStamps = stamps;
        ids = new long[2 * oldIds.length];
        stamps = new int[ids.length];
        for (int slot = 0; slot < oldIds.length; slot++) {
            if (oldStamps[slot] == stamp) {
                int free = slotOf(oldIds[slot]);
                ids[free] = oldIds[slot];
                stamps[free] = stamp;
            }
        }
    }
}
