package io.datainf.engine.run;

import io.datainf.engine.influence.SquaredNorms;
import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.Crc32c;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Copies rows from where they come to where they stay, stretch by stretch: each is copied and, while it is in the cache, its checksum
 * and its squared norms are computed. Rows in another encoding than the stored one make a detour over one row of memory.
 *
 * <p>One batch at a time, between {@link #begin} and {@link #close}; one thread at a time.
 */
final class RowTransfer implements AutoCloseable {

    private static final int STRETCH_BYTES = 64 << 10;

    private final BlockLayout layout;
    private final ElementType storedType;
    private final long rowBytes;
    // Some adjacent blocks, or one that is larger.
    private final List<BlockRange> stretches;
    private final int rowShift;
    private final double[] squaredNorms;
    private final Crc32c crc = new Crc32c();
    private final Crc32c sentCrc = new Crc32c();

    private GradientSource source = GradientSource.of(MemorySegment.NULL);
    private ElementType sentType = ElementType.F32;
    private int sentChecksum;
    // One row as it was sent, if that is not how it is stored.
    private @Nullable MemorySegment sentRow;
    private @Nullable Arena arena;

    RowTransfer(BlockLayout layout, ElementType storedType) {
        this.layout = layout;
        this.storedType = storedType;
        this.rowBytes = (long) layout.dimension() * storedType.byteCount();
        this.stretches = stretches(layout, STRETCH_BYTES / storedType.byteCount());
        this.rowShift = Crc32c.shift(rowBytes);
        this.squaredNorms = new double[layout.blockCount()];
    }

    private static List<BlockRange> stretches(BlockLayout layout, int elementCount) {
        List<BlockRange> stretches = new ArrayList<>();
        int first = 0;
        for (int end = 1; end <= layout.blockCount(); end++) {
            boolean last = end == layout.blockCount();
            if (last || layout.offset(end) + layout.width(end) - layout.offset(first) > elementCount) {
                stretches.add(new BlockRange(layout, first, end));
                first = end;
            }
        }
        return List.copyOf(stretches);
    }

    /** Begins a batch whose rows go to places in {@code rows}. */
    void begin(GradientSource from, ElementType type, MemorySegment rows) {
        source = from;
        sentType = type;
        sentChecksum = 0;
        crc.over(rows);
        if (type != storedType) {
            Arena own = Arena.ofConfined();
            arena = own;
            MemorySegment row = own.allocate((long) layout.dimension() * type.byteCount(), Long.BYTES);
            sentRow = row;
            sentCrc.over(row);
            sentCrc.begin();
        }
    }

    /**
     * Copies the next row.
     *
     * @param row where to
     * @param offset its position in the memory that {@link #begin} was given
     * @return CRC-32C of the row as it is stored
     */
    int next(MemorySegment row, long offset) {
        MemorySegment detour = sentRow;
        if (detour != null) {
            readSent(detour);
            ElementConversion.convert(detour, sentType, row, storedType, layout.dimension());
        }
        crc.begin();
        for (BlockRange stretch : stretches) {
            long begin = (long) stretch.rowOffset() * storedType.byteCount();
            long bytes = (long) stretch.elementCount() * storedType.byteCount();
            if (detour == null) {
                source.read(row.asSlice(begin, bytes));
            }
            crc.update(offset + begin, bytes);
            SquaredNorms.ofBlocks(row, stretch, storedType, squaredNorms);
        }
        int checksum = crc.value();
        if (detour == null) {
            sentChecksum = Crc32c.combine(sentChecksum, checksum, rowShift);
        }
        return checksum;
    }

    private void readSent(MemorySegment target) {
        for (long begin = 0; begin < target.byteSize(); begin += STRETCH_BYTES) {
            long bytes = Math.min(STRETCH_BYTES, target.byteSize() - begin);
            source.read(target.asSlice(begin, bytes));
            sentCrc.update(begin, bytes);
        }
    }

    /** Squared norms of the last row, [L]. */
    double[] squaredNorms() {
        return squaredNorms;
    }

    /** Element {@code index} of the last row as it was sent; {@code stored} is where it was copied to. */
    float sentElement(MemorySegment stored, long index) {
        MemorySegment detour = sentRow;
        return detour == null
                ? ElementConversion.elementAt(stored, storedType, index)
                : ElementConversion.elementAt(detour, sentType, index);
    }

    /** CRC-32C of all rows so far, one after the other as they were sent. */
    int sentChecksum() {
        return sentRow == null ? sentChecksum : sentCrc.value();
    }

    @Override
    public void close() {
        source = GradientSource.of(MemorySegment.NULL);
        crc.over(MemorySegment.NULL);
        sentRow = null;
        Arena own = arena;
        if (own != null) {
            arena = null;
            own.close();
        }
    }
}
