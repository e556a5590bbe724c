package io.datainf.sidecar.rpc;

import io.datainf.sidecar.ingest.GradientBytes;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A part of a message, borrowed with it or kept. Reading and closing exclude each other, so that no memory is read that was
 * freed.
 */
final class MessageGradients implements GradientBytes {

    // A piece pins the buffer that the network read it into, 64 KiB or more, however small it is.
    private static final int LEAST_PINNED_BYTES = 4 << 10;
    private static final Closeable NOTHING = () -> {};

    /** Whose memory the pieces are. */
    @FunctionalInterface
    interface Lender {

        /** Lends so many bytes beyond the call, until what is returned is closed; null if it does not. */
        @Nullable
        Closeable lend(int byteCount);
    }

    private final List<MemorySegment> pieces;
    private final @Nullable Lender lender;
    // All guarded by this; held is null while borrowed.
    private @Nullable Closeable held;
    private int index;
    private long offset;
    private int byteCount;
    private boolean closed;

    /**
     * Borrows a part of a message.
     *
     * @param index of the piece where it begins
     * @param offset in that piece
     * @param lender whose memory the pieces are; null if they are valid as long as somebody refers to them
     */
    MessageGradients(List<MemorySegment> pieces, int index, long offset, int byteCount, @Nullable Lender lender) {
        this(pieces, index, offset, byteCount, lender, null);
    }

    private MessageGradients(
            List<MemorySegment> pieces,
            int index,
            long offset,
            int byteCount,
            @Nullable Lender lender,
            @Nullable Closeable held) {
        this.pieces = pieces;
        this.index = index;
        this.offset = offset;
        this.byteCount = byteCount;
        this.lender = lender;
        this.held = held;
    }

    @Override
    public synchronized int byteCount() {
        return byteCount;
    }

    @Override
    public synchronized void read(MemorySegment target) {
        requireOpen();
        long targetBytes = target.byteSize();
        if (targetBytes > byteCount) {
            throw new IllegalArgumentException(
                    "target has %d bytes: expected at most %d".formatted(targetBytes, byteCount));
        }
        for (long filled = 0; filled < targetBytes; ) {
            MemorySegment piece = pieces.get(index);
            long count = Math.min(piece.byteSize() - offset, targetBytes - filled);
            MemorySegment.copy(piece, offset, target, filled, count);
            filled += count;
            offset += count;
            if (offset == piece.byteSize()) {
                index++;
                offset = 0;
            }
        }
        byteCount -= (int) targetBytes;
    }

    @Override
    public synchronized GradientBytes keep() {
        requireOpen();
        MessageGradients kept;
        if (held != null) {
            kept = heldBy(held);
        } else if (lender == null || byteCount == 0) {
            kept = heldBy(NOTHING);
        } else {
            Closeable lent = byteCount / pieceCount() >= LEAST_PINNED_BYTES ? lender.lend(byteCount) : null;
            kept = lent == null ? copy() : heldBy(lent);
        }
        held = null;
        closed = true;
        return kept;
    }

    @Override
    public void close() {
        Closeable freed;
        synchronized (this) {
            freed = held;
            held = null;
            closed = true;
        }
        if (freed != null) {
            try {
                freed.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /** Pieces that the bytes lie in; there is at least one byte. Needs the lock. */
    private int pieceCount() {
        int count = 1;
        long seen = pieces.get(index).byteSize() - offset;
        while (seen < byteCount) {
            seen += pieces.get(index + count).byteSize();
            count++;
        }
        return count;
    }

    /** Needs the lock. */
    private MessageGradients heldBy(Closeable holder) {
        return new MessageGradients(pieces, index, offset, byteCount, null, holder);
    }

    /** Needs the lock. */
    private MessageGradients copy() {
        Arena arena = Arena.ofShared();
        MemorySegment bytes = arena.allocate(byteCount);
        MessageGradients copy = new MessageGradients(List.of(bytes), 0, 0, byteCount, null, arena::close);
        read(bytes);
        return copy;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the gradients were kept or closed: expected neither");
        }
    }
}
