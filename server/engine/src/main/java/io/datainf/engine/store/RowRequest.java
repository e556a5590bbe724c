package io.datainf.engine.store;

import io.datainf.engine.memory.Crc32c;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListMap;

/** Rows to be read together, cut into pieces of a file that several threads read. */
final class RowRequest {

    // Heads and padding between rows up to that length are read along.
    private static final long GAP_BYTES = 64 << 10;
    private static final long BLOCK_BYTES = 4096;
    // Leaves room for heads between the rows.
    private static final long TARGET_BYTES = RowReaders.BUFFER_BYTES / 16 * 15;

    private final long rowBytes;
    private final int rowsPerPiece;
    private final List<Piece> pieces = new ArrayList<>();
    private final ConcurrentSkipListMap<Integer, Exception> failures = new ConcurrentSkipListMap<>();

    /** Begins a request for some rows, which are cut into equal pieces if they lie together. */
    RowRequest(long rowBytes, int rowCount) {
        this.rowBytes = rowBytes;
        int pieceCount = Math.max(1, (int) Math.ceilDiv(rowBytes * rowCount, TARGET_BYTES));
        this.rowsPerPiece = Math.ceilDiv(rowCount, pieceCount);
    }

    /** A row has no place in the files. */
    void missing(int ordinal) {
        failures.put(ordinal, new IOException("row %d is in no file".formatted(ordinal)));
    }

    /** Begins another piece. */
    Piece newPiece(RowFiles.OpenSegment segment) {
        Piece piece = new Piece(segment);
        pieces.add(piece);
        return piece;
    }

    /** Has all pieces read. */
    CompletableFuture<Void> start(RowReaders readers) {
        CompletableFuture<?>[] done = new CompletableFuture<?>[pieces.size()];
        for (int i = 0; i < done.length; i++) {
            done[i] = readers.run(pieces.get(i)::read);
        }
        return CompletableFuture.allOf(done).thenRun(() -> {
            if (!failures.isEmpty()) {
                throw new UnreadableRowsException(
                        List.copyOf(failures.keySet()), failures.firstEntry().getValue());
            }
        });
    }

    /** Rows that lie one after the other in a file. */
    final class Piece {

        private final RowFiles.OpenSegment segment;
        private final List<Row> rows = new ArrayList<>();

        private record Row(int ordinal, long position, int checksum, MemorySegment target) {}

        private Piece(RowFiles.OpenSegment segment) {
            this.segment = segment;
        }

        /** Adds a row, if it belongs to the piece: near the last one, and as long as the piece fits a buffer. */
        boolean add(RowFiles.OpenSegment of, int row, int ordinal, MemorySegment target) {
            long position = of.rows().position(row);
            if (!rows.isEmpty()) {
                long gap = position - rows.getLast().position - rowBytes;
                long bytes = position + rowBytes - rows.getFirst().position;
                boolean near = of.rows().equals(segment.rows()) && gap >= 0 && gap <= GAP_BYTES;
                boolean full = rows.size() == rowsPerPiece || bytes > RowReaders.BUFFER_BYTES - 2 * BLOCK_BYTES;
                if (!near || full) {
                    return false;
                }
            }
            rows.add(new Row(ordinal, position, of.rows().checksum(row), target));
            return true;
        }

        private void read(MemorySegment buffer) {
            try {
                copy(rows, buffer);
            } catch (IOException e) {
                rows.forEach(row -> readAlone(row, buffer));
            }
            Crc32c crc = new Crc32c();
            for (Row row : rows) {
                int computed = crc.of(row.target, 0, rowBytes);
                if (computed != row.checksum) {
                    failures.putIfAbsent(
                            row.ordinal,
                            new CorruptSegmentException(
                                    segment.file(), row.position, Crc32c.hex(row.checksum), Crc32c.hex(computed)));
                }
            }
        }

        /** Of rows that cannot be read together, some may. */
        private void readAlone(Row row, MemorySegment buffer) {
            try {
                copy(List.of(row), buffer);
            } catch (IOException e) {
                failures.put(row.ordinal, e);
            }
        }

        /** Reads whole blocks, as direct I/O asks for, and copies what is of a row to where it belongs. */
        private void copy(List<Row> wanted, MemorySegment buffer) throws IOException {
            long end = wanted.getLast().position + rowBytes;
            long position = wanted.getFirst().position / BLOCK_BYTES * BLOCK_BYTES;
            int row = 0;
            while (position < end) {
                long bytes = Math.min(buffer.byteSize(), Math.ceilDiv(end - position, BLOCK_BYTES) * BLOCK_BYTES);
                int count = segment.channel().read(buffer.asSlice(0, bytes).asByteBuffer(), position);
                long filledEnd = position + Math.max(count, 0);
                if (filledEnd < end) {
                    // The next read begins at a block again.
                    filledEnd = filledEnd / BLOCK_BYTES * BLOCK_BYTES;
                }
                if (filledEnd <= position) {
                    throw new IOException("%s ends at byte %d: expected %d".formatted(segment.file(), position, end));
                }
                while (row < wanted.size() && wanted.get(row).position < filledEnd) {
                    copy(wanted.get(row), buffer, position, filledEnd);
                    if (wanted.get(row).position + rowBytes > filledEnd) {
                        break;
                    }
                    row++;
                }
                position = filledEnd;
            }
        }

        private void copy(Row row, MemorySegment buffer, long bufferStart, long bufferEnd) {
            long from = Math.max(row.position, bufferStart);
            long to = Math.min(row.position + rowBytes, bufferEnd);
            MemorySegment.copy(buffer, from - bufferStart, row.target, from - row.position, to - from);
        }
    }
}
