package io.datainf.engine.kernel;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.Arena;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/*
 * What is kept is a whole tile of a range of blocks: callers ask for the same ranges again and again, for a part of a tile now and then. The
 * last tile of a matrix grows; it is uploaded again when rows are asked for that it lacked. Published rows never change, but in a window: its copies
 * are not kept.
 */
/**
 * Copies of rows in the memory of a device, float32, kept up to a budget; the least recently used go first. Rows in use are never dropped, so for the
 * length of a call the budget may be exceeded by what the calls under way need.
 */
final class Nd4jDeviceRows implements Nd4jRowCache {

    private static final int TILE_ROWS = OffHeapRows.TILE_ROWS;

    private final long budgetBytes;
    // In order of last use. Guarded by this, like all fields of its entries but the array.
    private final Map<Key, Entry> entries = new LinkedHashMap<>(16, 0.75f, true);
    private long residentBytes; // guarded by this
    private long uploadCount; // guarded by this

    Nd4jDeviceRows(long budgetBytes) {
        this.budgetBytes = budgetBytes;
    }

    @Override
    public Nd4jRows rows(GradientTile tile) {
        Entry entry = take(tile);
        try {
            INDArray array = entry.array();
            int elements = tile.blocks().elementCount();
            long firstElement = (tile.firstOrdinal() - entry.tile.firstOrdinal()) * elements;
            return new Nd4jRows(array, firstElement, tile.rowCount(), elements, tile.blocks(), () -> giveBack(entry));
        } catch (Throwable e) {
            synchronized (this) {
                remove(entry); // lacks its rows
            }
            giveBack(entry);
            throw e;
        }
    }

    /** Memory of the device that copies take. */
    synchronized long residentBytes() {
        return residentBytes;
    }

    /** Copies made so far. */
    synchronized long uploadCount() {
        return uploadCount;
    }

    private synchronized Entry take(GradientTile tile) {
        GradientMatrix matrix = tile.matrix();
        if (!matrix.lasting()) {
            return once(tile);
        }
        long first = tile.firstOrdinal() / TILE_ROWS * TILE_ROWS;
        Key key = Key.of(tile, first);
        @Nullable Entry present = entries.get(key);
        if (present != null && first + present.tile.rowCount() >= tile.firstOrdinal() + tile.rowCount()) {
            present.users++;
            return present;
        }
        if (present != null) {
            remove(present);
        }
        int rowCount = (int) Math.min(TILE_ROWS, matrix.rowCount() - first);
        Entry entry = new Entry(key, new GradientTile(matrix, first, rowCount, tile.blocks()));
        entry.users = 1;
        entries.put(key, entry);
        residentBytes += entry.bytes();
        uploadCount++;
        dropUnused();
        return entry;
    }

    /** A copy of rows that change afterwards: it goes with its only user. */
    @GuardedBy("this")
    private Entry once(GradientTile tile) {
        Key key = Key.of(tile, tile.firstOrdinal());
        Entry entry = new Entry(key, tile);
        entry.users = 1;
        entry.removed = true;
        residentBytes += entry.bytes();
        uploadCount++;
        dropUnused();
        return entry;
    }

    private synchronized void giveBack(Entry entry) {
        entry.users--;
        if (entry.users == 0 && entry.removed) {
            free(entry);
        }
        dropUnused();
    }

    /** Drops the least recently used entries that are not in use, until the rest fits the budget. */
    private void dropUnused() {
        Iterator<Entry> eldestFirst = entries.values().iterator();
        while (residentBytes > budgetBytes && eldestFirst.hasNext()) {
            Entry entry = eldestFirst.next();
            if (entry.users == 0) {
                eldestFirst.remove();
                free(entry);
            }
        }
    }

    /** Takes an entry out of the table; its memory goes when nobody uses it any more. */
    private void remove(Entry entry) {
        if (entries.remove(entry.key, entry)) {
            entry.removed = true;
            if (entry.users == 0) {
                free(entry);
            }
        }
    }

    private void free(Entry entry) {
        residentBytes -= entry.bytes();
        entry.close();
    }

    private record Key(GradientMatrix matrix, int generation, long firstOrdinal, int firstBlock, int endBlock) {

        static Key of(GradientTile tile, long firstOrdinal) {
            return new Key(
                    tile.matrix(),
                    tile.matrix().generation(),
                    firstOrdinal,
                    tile.blocks().firstBlock(),
                    tile.blocks().endBlock());
        }
    }

    /** A tile and its copy, which whoever comes first makes and the others wait for. */
    private static final class Entry {

        private final Key key;
        private final GradientTile tile;
        private @Nullable INDArray array; // guarded by this
        private int users;
        private boolean removed;

        Entry(Key key, GradientTile tile) {
            this.key = key;
            this.tile = tile;
        }

        long bytes() {
            return (long) tile.rowCount() * tile.blocks().elementCount() * Float.BYTES;
        }

        synchronized INDArray array() {
            INDArray present = array;
            if (present != null) {
                return present;
            }
            try (Arena arena = Arena.ofConfined();
                    INDArray packed = Nd4jArrays.wrap(Nd4jRowCache.pack(tile, arena), bytes() / Float.BYTES)) {
                // The wrapped array goes with the packed rows; the copy is the device's own.
                INDArray copy = packed.dup('c');
                array = copy;
                return copy;
            }
        }

        synchronized void close() {
            if (array != null) {
                array.close();
                array = null;
            }
        }
    }
}
