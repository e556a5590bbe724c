package io.datainf.engine.kernel;

import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/*
 * Rows lie on the device as they lie in memory, padding included, in blocks of rows of which each is one allocation. Published rows never change, so a block only
 * grows: rows that are new are appended to it when it is asked for.
 */
/**
 * Copies of stored rows in the memory of a device, kept up to a budget; the block of rows that was used longest ago goes first. For the thread that holds the device's
 * lock.
 */
final class CublasRows implements AutoCloseable {

    private static final int TILE_ROWS = OffHeapRows.TILE_ROWS;
    private static final long MIN_BLOCK_BYTES = 1L << 20;
    // Sums are formed block by block, which takes memory's time too: blocks are tall.
    private static final long MAX_BLOCK_BYTES = 1L << 30;
    private static final int BLOCKS_OF_BUDGET = 16;
    private static final int LEAST_ROWS = 32;
    private static final int STAGINGS = 2;

    private final CudaDevice device;
    private final long budgetBytes;
    private final long stagingBytes;
    private final List<Staging> stagings = new ArrayList<>();
    private final Map<Key, RowBlock> blocks = new LinkedHashMap<>(16, 0.75f, true);
    private final AtomicLong residentBytes = new AtomicLong();
    private final AtomicLong uploadedBytes = new AtomicLong();
    private int turn;

    /** The rows of {@code matrix} from {@code index * rowsPerBlock} on. */
    private record Key(GradientMatrix matrix, int generation, long index) {}

    private static final class RowBlock {
        final long address;
        final int capacity;
        final long bytes;
        int rowCount;

        RowBlock(long address, int capacity, long strideBytes) {
            this.address = address;
            this.capacity = capacity;
            this.bytes = capacity * strideBytes;
        }
    }

    /** Memory that the device copies from, and when it has done so. */
    private final class Staging {
        final MemorySegment memory;
        final long event;

        Staging() {
            memory = device.allocatePinned(stagingBytes);
            try {
                event = device.newEvent();
            } catch (CudaException e) {
                device.discardPinned(memory);
                throw e;
            }
        }

        void discard() {
            device.discardPinned(memory);
            device.discardEvent(event);
        }
    }

    /**
     * Prepares to keep rows.
     *
     * @param budgetBytes most memory that rows may take
     * @param stagingBytes size of each of two pieces of memory to copy through
     * @throws CudaException if there is no memory to copy through
     */
    CublasRows(CudaDevice device, long budgetBytes, long stagingBytes) {
        this.device = device;
        this.budgetBytes = budgetBytes;
        this.stagingBytes = stagingBytes;
        try {
            for (int i = 0; i < STAGINGS; i++) {
                stagings.add(new Staging());
            }
        } catch (CudaException e) {
            close();
            throw e;
        }
    }

    /** Rows of a block of rows of a matrix; a power of two. */
    int rowsPerBlock(GradientMatrix matrix) {
        long bytes = Math.clamp(budgetBytes / BLOCKS_OF_BUDGET, MIN_BLOCK_BYTES, MAX_BLOCK_BYTES);
        long rows = Long.highestOneBit(Math.max(1, bytes / matrix.strideBytes()));
        return Math.clamp(rows, LEAST_ROWS, 1 << 20);
    }

    /**
     * Returns where the rows of a tile begin on the device, {@code strideBytes} apart, after bringing there what is missing; 0 if they find no room. Valid until
     * memory is asked for again.
     *
     * @param tile rows of one block of rows
     */
    long address(GradientTile tile) {
        GradientMatrix matrix = tile.matrix();
        if (!matrix.lasting()) {
            return 0; // a window: its rows, read from files, change
        }
        int rowsPerBlock = rowsPerBlock(matrix);
        long index = tile.firstOrdinal() / rowsPerBlock;
        long first = index * rowsPerBlock;
        int wanted = (int) (tile.firstOrdinal() - first) + tile.rowCount();
        Key key = new Key(matrix, matrix.generation(), index);
        RowBlock block = blocks.get(key);
        if (block == null || block.capacity < wanted) {
            block = newBlock(key, wanted, rowsPerBlock);
        }
        if (block == null) {
            return 0;
        }
        if (block.rowCount < wanted) {
            try {
                append(matrix, first, block, Integer.MAX_VALUE);
            } catch (CudaException e) {
                blocks.remove(key); // nobody knows what has arrived
                free(block);
                throw e;
            }
        }
        return block.address + (tile.firstOrdinal() - first) * matrix.strideBytes();
    }

    /** Makes a block with room for {@code wanted} rows and, unless it is full then, for as many again. */
    private @Nullable RowBlock newBlock(Key key, int wanted, int rowsPerBlock) {
        RowBlock small = blocks.remove(key);
        if (small != null) {
            free(small);
        }
        int capacity = Math.min(rowsPerBlock, 2 * Integer.highestOneBit(Math.max(LEAST_ROWS, wanted - 1)));
        long stride = key.matrix.strideBytes();
        if (capacity * stride > budgetBytes) {
            capacity = wanted;
        }
        if (capacity * stride > budgetBytes) {
            return null;
        }
        while (residentBytes.get() + capacity * stride > budgetBytes) {
            boolean ignored = evictEldest();
        }
        long address = allocate(capacity * stride);
        RowBlock block = new RowBlock(address, capacity, stride);
        blocks.put(key, block);
        residentBytes.addAndGet(block.bytes);
        return block;
    }

    /**
     * Allocates memory of the device, for which rows go if need be. The caller frees it.
     *
     * @throws CudaException if there is too little even without rows
     */
    long allocate(long bytes) {
        while (true) {
            try {
                return device.allocate(bytes);
            } catch (CudaException e) {
                if (!e.outOfMemory() || !evictEldest()) {
                    throw e;
                }
            }
        }
    }

    /** Lets the block of rows go that was used longest ago. Returns whether there was one. */
    boolean evictEldest() {
        Iterator<RowBlock> eldestFirst = blocks.values().iterator();
        if (!eldestFirst.hasNext()) {
            return false;
        }
        RowBlock eldest = eldestFirst.next();
        eldestFirst.remove();
        free(eldest);
        return true;
    }

    private void free(RowBlock block) {
        residentBytes.addAndGet(-block.bytes);
        device.free(block.address);
    }

    /** Bytes of blocks of rows. */
    long residentBytes() {
        return residentBytes.get();
    }

    /** Bytes of rows copied to the device so far. */
    long uploadedBytes() {
        return uploadedBytes.get();
    }

    /**
     * Copies some of the rows that have been published since their blocks were used, as far as these have room, and lets go of rows whose matrix is closed. Returns whether there may be
     * more to do.
     */
    boolean catchUp() {
        for (Map.Entry<Key, RowBlock> entry : List.copyOf(blocks.entrySet())) {
            GradientMatrix matrix = entry.getKey().matrix;
            RowBlock block = entry.getValue();
            if (!matrix.alive()) {
                blocks.remove(entry.getKey());
                free(block);
                continue;
            }
            long first = entry.getKey().index * rowsPerBlock(matrix);
            if (block.rowCount < Math.min(block.capacity, matrix.rowCount() - first)) {
                try {
                    append(matrix, first, block, TILE_ROWS);
                } catch (CudaException | IllegalStateException e) { // the matrix may be closed by now
                    blocks.remove(entry.getKey());
                    free(block);
                    throw e;
                }
                return true;
            }
        }
        return false;
    }

    /** Copies the rows that are published by now and of the block, as far as they have room; about {@code most} at most. */
    private void append(GradientMatrix matrix, long first, RowBlock block, int most) {
        int end = (int) Math.min(block.capacity, matrix.rowCount() - first);
        end = (int) Math.min(end, (long) block.rowCount + most);
        while (block.rowCount < end) {
            long ordinal = first + block.rowCount;
            int count = Math.min(TILE_ROWS - (int) (ordinal % TILE_ROWS), end - block.rowCount);
            MemorySegment rows = matrix.rows(ordinal, count);
            upload(rows, block.address + block.rowCount * matrix.strideBytes());
            block.rowCount += count;
        }
        device.computeAfterCopies();
    }

    private void upload(MemorySegment rows, long target) {
        for (long at = 0; at < rows.byteSize(); at += stagingBytes) {
            Staging staging = stagings.get(turn++ % STAGINGS);
            device.await(staging.event);
            MemorySegment part = staging.memory.asSlice(0, Math.min(stagingBytes, rows.byteSize() - at));
            part.copyFrom(rows.asSlice(at, part.byteSize()));
            device.copyRows(part, target + at);
            device.markCopied(staging.event);
            uploadedBytes.addAndGet(part.byteSize());
        }
    }

    /** Gives everything back, as far as the device lets it. */
    @Override
    public void close() {
        blocks.values().forEach(block -> device.discard(block.address));
        blocks.clear();
        residentBytes.set(0);
        stagings.forEach(Staging::discard);
    }
}
