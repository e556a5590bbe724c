package io.datainf.sidecar.rpc;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Reads the encoding of Protocol Buffers from a message in pieces. Takes and refuses what protobuf-java's CodedInputStream
 * takes and refuses.
 */
final class WireReader {

    static final int VARINT = 0;
    static final int FIXED64 = 1;
    static final int LENGTH_DELIMITED = 2;
    static final int START_GROUP = 3;
    static final int END_GROUP = 4;
    static final int FIXED32 = 5;

    private static final int TYPE_BITS = 3;
    private static final int TYPE_MASK = (1 << TYPE_BITS) - 1;
    private static final int MAX_DEPTH = 100;
    private static final int MAX_VARINT_BITS = 70;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MessagePieces message;
    private MemorySegment piece = MemorySegment.NULL;
    private int pieceIndex = -1;
    private int pieceStart;
    private int pieceEnd;
    private int position;
    private int limit;

    WireReader(MessagePieces message) {
        this.message = message;
        this.limit = message.byteCount();
    }

    /** Returns the tag for a field. */
    static int tag(int fieldNumber, int wireType) {
        return fieldNumber << TYPE_BITS | wireType;
    }

    /** Bytes of the message read so far. */
    int position() {
        return position;
    }

    /** Bytes before the end of the part being read. */
    int remaining() {
        return limit - position;
    }

    /** Reads the tag of the next field; 0 at the end. */
    int readTag() {
        if (position == limit) {
            return 0;
        }
        int start = position;
        int tag = (int) readVarint();
        if (tag >>> TYPE_BITS == 0) {
            throw new MalformedMessageException(start, "a field has number 0: expected at least 1");
        }
        return tag;
    }

    /** Reads a varint of up to 10 bytes; bits beyond the 64th are ignored. */
    long readVarint() {
        int start = position;
        long value = 0;
        for (int shift = 0; shift < MAX_VARINT_BITS; shift += 7) {
            byte next = readByte();
            value |= (next & 0x7FL) << shift;
            if (next >= 0) {
                return value;
            }
        }
        throw new MalformedMessageException(start, "a varint does not end: expected at most 10 bytes");
    }

    int readFixed32() {
        require(Integer.BYTES);
        int value = 0;
        for (int shift = 0; shift < Integer.SIZE; shift += Byte.SIZE) {
            value |= (readByte() & 0xFF) << shift;
        }
        return value;
    }

    long readFixed64() {
        require(Long.BYTES);
        if (pieceEnd - position >= Long.BYTES) {
            long value = piece.get(LONG, position - pieceStart);
            position += Long.BYTES;
            return value;
        }
        long value = 0;
        for (int shift = 0; shift < Long.SIZE; shift += Byte.SIZE) {
            value |= (readByte() & 0xFFL) << shift;
        }
        return value;
    }

    /** Reads the length of what follows, and checks that so much follows. */
    int readLength() {
        int start = position;
        int length = (int) readVarint();
        if (length < 0 || length > remaining()) {
            throw new MalformedMessageException(
                    start, "a length is %d: expected 0 to %d, what the message still has", length, remaining());
        }
        return length;
    }

    /** Ends the part being read after {@code byteCount} bytes, of those that remain. Returns what {@link #leave} needs. */
    int enter(int byteCount) {
        int outer = limit;
        limit = position + byteCount;
        return outer;
    }

    /** Goes on with the part around the one that has ended. */
    void leave(int outer) {
        limit = outer;
    }

    void skip(int byteCount) {
        require(byteCount);
        position += byteCount;
    }

    byte[] readBytes(int byteCount) {
        require(byteCount);
        byte[] bytes = new byte[byteCount];
        message.gradients(position, byteCount).read(MemorySegment.ofArray(bytes));
        position += byteCount;
        return bytes;
    }

    /**
     * Skips a field whose tag has been read.
     *
     * @param depth messages and groups around it
     */
    void skipField(int tag, int depth) {
        switch (tag & TYPE_MASK) {
            case VARINT -> readVarint();
            case FIXED64 -> skip(Long.BYTES);
            case LENGTH_DELIMITED -> skip(readLength());
            case START_GROUP -> skipGroup(tag >>> TYPE_BITS, depth);
            case FIXED32 -> skip(Integer.BYTES);
            default ->
                throw new MalformedMessageException(
                        position,
                        "field %d has wire type %d: expected 0 to 3 or 5",
                        tag >>> TYPE_BITS,
                        tag & TYPE_MASK);
        }
    }

    private void skipGroup(int fieldNumber, int depth) {
        if (depth >= MAX_DEPTH) {
            throw new MalformedMessageException(position, "groups are nested too deep: expected %d levels", MAX_DEPTH);
        }
        int end = tag(fieldNumber, END_GROUP);
        for (int tag = readTag(); tag != end; tag = readTag()) {
            if (tag == 0) {
                throw new MalformedMessageException(position, "group %d has no end", fieldNumber);
            }
            skipField(tag, depth + 1);
        }
    }

    private byte readByte() {
        require(1);
        while (position >= pieceEnd) {
            piece = message.piece(++pieceIndex);
            pieceStart = pieceEnd;
            pieceEnd += (int) piece.byteSize();
        }
        return piece.get(ValueLayout.JAVA_BYTE, position++ - pieceStart);
    }

    private void require(int byteCount) {
        if (byteCount > remaining()) {
            throw new MalformedMessageException(
                    position, "a field ends too soon: expected %d more bytes, got %d", byteCount, remaining());
        }
    }
}
