package io.datainf.sidecar.rpc;

import io.grpc.Detachable;
import io.grpc.HasByteBuffer;
import io.grpc.KnownLength;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The bytes of one message, where the network left them or, if its transport does not show them, in one copy on the heap.
 *
 * <p>What the network left belongs to gRPC, which frees it after the call that takes the message.
 */
final class MessagePieces {

    private static final int NO_LIMIT = Integer.MAX_VALUE;
    // gRPC looks at all pieces that are left before it gives one. Peers that send crumbs shall not make that expensive.
    private static final int FEW_PIECES = 64;
    private static final int CRUMB_BYTES = 1 << 10;

    private final List<MemorySegment> pieces;
    private final int byteCount;
    private final MessageGradients.@Nullable Lender lender;

    /**
     * Creates a message.
     *
     * @param lender whose memory it is; null if the pieces are valid as long as somebody refers to them
     */
    MessagePieces(List<MemorySegment> pieces, MessageGradients.@Nullable Lender lender) {
        this.pieces = pieces;
        this.byteCount = Math.toIntExact(
                pieces.stream().mapToLong(MemorySegment::byteSize).sum());
        this.lender = lender;
    }

    /**
     * Finds the bytes of a message.
     *
     * @param memory bounds what may stay where it is beyond the call
     * @throws RequestTooLargeException if it has more bytes than {@code limits} say
     * @throws IOException if it cannot be decompressed
     */
    static MessagePieces of(InputStream stream, RpcLimits limits, HeldMemory memory) throws IOException {
        if (stream instanceof KnownLength) {
            RequestTooLargeException.requireMessageBytes(stream.available(), limits);
        }
        // A marked stream keeps what has been read, and one that can be detached lets it be kept for longer.
        if (stream instanceof HasByteBuffer buffers
                && stream instanceof Detachable message
                && buffers.byteBufferSupported()
                && stream.markSupported()) {
            return borrow(stream, buffers, bytes -> memory.hold(message, bytes), limits);
        }
        return new MessagePieces(List.of(copyRest(stream, limits, 0)), null);
    }

    int byteCount() {
        return byteCount;
    }

    /** Piece {@code index}; it may be empty. */
    MemorySegment piece(int index) {
        return pieces.get(index);
    }

    /** Bytes of the message, borrowed as it is; {@code position + byteCount} is at most its length. */
    MessageGradients gradients(int position, int byteCount) {
        int index = 0;
        long offset = position;
        while (index < pieces.size() && offset >= pieces.get(index).byteSize()) {
            offset -= pieces.get(index++).byteSize();
        }
        return new MessageGradients(pieces, index, offset, byteCount, lender);
    }

    private static MessagePieces borrow(
            InputStream stream, HasByteBuffer buffers, MessageGradients.Lender lender, RpcLimits limits)
            throws IOException {
        List<MemorySegment> pieces = new ArrayList<>();
        int byteCount = 0;
        stream.mark(NO_LIMIT);
        // To be asked before each piece: some may be on the heap.
        while (buffers.byteBufferSupported()
                && (pieces.size() < FEW_PIECES || byteCount / pieces.size() >= CRUMB_BYTES)) {
            ByteBuffer next = buffers.getByteBuffer();
            if (next == null || !next.hasRemaining()) {
                break;
            }
            pieces.add(MemorySegment.ofBuffer(next));
            byteCount += next.remaining();
            stream.skipNBytes(next.remaining());
        }
        MemorySegment rest = copyRest(stream, limits, byteCount);
        if (rest.byteSize() > 0) {
            pieces.add(rest);
        }
        return new MessagePieces(pieces, lender);
    }

    private static MemorySegment copyRest(InputStream stream, RpcLimits limits, int byteCount) throws IOException {
        byte[] rest = stream.readNBytes(limits.maxMessageBytes() - byteCount + 1);
        if (rest.length > limits.maxMessageBytes() - byteCount) {
            throw RequestTooLargeException.unbounded(limits);
        }
        return MemorySegment.ofArray(rest);
    }
}
