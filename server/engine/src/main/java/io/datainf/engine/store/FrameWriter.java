package io.datainf.engine.store;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Makes frames of records, rows uncopied. */
final class FrameWriter {

    private static final long PIECE_BYTES = 1L << 30;

    private final RowGeometry geometry;

    FrameWriter(RowGeometry geometry) {
        this.geometry = geometry;
    }

    /**
     * Adds the bytes of a record's frame to {@code pieces}; returns how many there are.
     *
     * @param arena holds what is not the record's own memory
     */
    long add(LogRecord entry, FrameFormat.Place place, Arena arena, List<ByteBuffer> pieces) {
        return switch (entry) {
            case BatchRecord batch -> addBatch(batch, place, arena, pieces);
            case DeletionRecord deletion -> addDeletion(deletion, place, arena, pieces);
        };
    }

    private long addBatch(BatchRecord batch, FrameFormat.Place place, Arena arena, List<ByteBuffer> pieces) {
        byte[] writerId = batch.writerId().getBytes(StandardCharsets.UTF_8);
        FrameFormat.Shape shape = FrameFormat.shape(batch, writerId, geometry);
        MemorySegment head = arena.allocate(shape.headBytes(), FrameFormat.ALIGNMENT);
        FrameFormat.encode(batch, writerId, shape, place, head);
        addPieces(pieces, head);
        addRows(pieces, batch);
        addPadding(pieces, shape.frameBytes() - shape.rowOffset(batch.stored().length));
        return shape.frameBytes();
    }

    private long addDeletion(DeletionRecord deletion, FrameFormat.Place place, Arena arena, List<ByteBuffer> pieces) {
        FrameFormat.Shape shape = FrameFormat.shape(deletion, geometry);
        MemorySegment frame = arena.allocate(shape.frameBytes(), FrameFormat.ALIGNMENT);
        FrameFormat.encode(deletion, shape, place, frame);
        addPieces(pieces, frame);
        return shape.frameBytes();
    }

    private void addRows(List<ByteBuffer> pieces, BatchRecord batch) {
        MemorySegment rows = batch.samples().rows();
        int[] stored = batch.stored();
        long rowBytes = geometry.rowBytes();
        long strideBytes = batch.samples().strideBytes();
        boolean dense = geometry.dense() && strideBytes == rowBytes;
        for (int first = 0; first < stored.length; ) {
            int end = first + 1;
            // Rows that lie one after the other, here and in the file, go out as one piece.
            while (dense && end < stored.length && stored[end] == stored[end - 1] + 1) {
                end++;
            }
            addPieces(pieces, rows.asSlice(stored[first] * strideBytes, (end - first) * rowBytes));
            addPadding(pieces, geometry.strideBytes() - rowBytes);
            first = end;
        }
    }

    private static void addPadding(List<ByteBuffer> pieces, long bytes) {
        if (bytes > 0) {
            pieces.add(ByteBuffer.allocate((int) bytes));
        }
    }

    private static void addPieces(List<ByteBuffer> pieces, MemorySegment bytes) {
        for (long offset = 0; offset < bytes.byteSize(); offset += PIECE_BYTES) {
            pieces.add(bytes.asSlice(offset, Math.min(PIECE_BYTES, bytes.byteSize() - offset))
                    .asByteBuffer());
        }
    }
}
