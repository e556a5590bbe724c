package io.datainf.client;

import io.grpc.Drainable;
import io.grpc.KnownLength;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/**
 * Reads a frame once. gRPC asks {@code Drainable} streams to write themselves into the transport's buffers: that is the only
 * copy of the gradients on the way from the batch to the socket.
 */
final class IngestFrameStream extends InputStream implements Drainable, KnownLength {
    private final IngestFrame frame;
    private int position;

    IngestFrameStream(IngestFrame frame) {
        this.frame = frame;
    }

    @Override
    public int drainTo(OutputStream target) throws IOException {
        int drained = available();
        int headLeft = headLeft();
        if (headLeft > 0) {
            target.write(frame.head(), position, headLeft);
            position += headLeft;
        }
        target.write(frame.body(), bodyPosition(), available());
        position = frame.size();
        return drained;
    }

    @Override
    public int available() {
        return frame.size() - position;
    }

    @Override
    public int read() {
        if (available() == 0) {
            return -1;
        }
        int value = headLeft() > 0 ? frame.head()[position] : frame.body()[bodyPosition()];
        position++;
        return Byte.toUnsignedInt((byte) value);
    }

    @Override
    public int read(byte[] target, int begin, int count) {
        if (count == 0) {
            return 0;
        }
        if (available() == 0) {
            return -1;
        }
        int headLeft = headLeft();
        int taken;
        if (headLeft > 0) {
            taken = Math.min(count, headLeft);
            System.arraycopy(frame.head(), position, target, begin, taken);
        } else {
            taken = Math.min(count, available());
            System.arraycopy(frame.body(), bodyPosition(), target, begin, taken);
        }
        position += taken;
        return taken;
    }

    private int headLeft() {
        return Math.max(0, frame.head().length - position);
    }

    private int bodyPosition() {
        return frame.offset() + position - frame.head().length;
    }
}
