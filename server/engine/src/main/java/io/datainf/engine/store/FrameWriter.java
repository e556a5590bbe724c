package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Appends records to a segment as frames, rows uncopied. One thread. */
final class FrameWriter {

    private static final long PIECE_BYTES = 1L << 30;

    private final RowGeometry geometry;

    FrameWriter(RowGeometry geometry) {
        this.geometry = geometry;
    }

    /** Appends the frame of a record; returns its bytes. */
    long write(AppendFile target, LogRecord entry, FrameFormat.Place place) throws IOException {
        return switch (entry) {
            case BatchRecord batch -> writeBatch(target, batch, place);
            case DeletionRecord deletion -> writeDeletion(target, deletion, place);
        };
    }

    private long writeBatch(AppendFile target, BatchRecord batch, FrameFormat.Place place) throws IOException {
        byte[] writerId = batch.writerId().getBytes(StandardCharsets.UTF_8);
        FrameFormat.Shape shape = FrameFormat.shape(batch, writerId, geometry);
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment head = scratch.allocate(shape.headBytes(), FrameFormat.ALIGNMENT);
            FrameFormat.encode(batch, writerId, shape, place, head);
            List<ByteBuffer> pieces = new ArrayList<>();
            addPieces(pieces, head);
            addRows(pieces, batch);
            addPadding(pieces, shape.frameBytes() - shape.rowOffset(batch.stored().length));
            target.append(pieces.toArray(ByteBuffer[]::new));
            return shape.frameBytes();
        }
    }

    private long writeDeletion(AppendFile target, DeletionRecord deletion, FrameFormat.Place place) throws IOException {
        FrameFormat.Shape shape = FrameFormat.shape(deletion, geometry);
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment frame = scratch.allocate(shape.frameBytes(), FrameFormat.ALIGNMENT);
            FrameFormat.encode(deletion, shape, place, frame);
            target.append(new ByteBuffer[] {frame.asByteBuffer()});
            return shape.frameBytes();
        }
    }

    private void addRows(List<ByteBuffer> pieces, BatchRecord batch) {
        MemorySegment rows = batch.samples().rows();
        int[] stored = batch.stored();
        long rowBytes = geometry.rowBytes();
        for (int first = 0; first < stored.length; ) {
            int end = first + 1;
            // Rows that lie one after the other, here and in the file, go out as one piece.
            while (geometry.dense() && end < stored.length && stored[end] == stored[end - 1] + 1) {
                end++;
            }
            addPieces(pieces, rows.asSlice(stored[first] * rowBytes, (end - first) * rowBytes));
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
