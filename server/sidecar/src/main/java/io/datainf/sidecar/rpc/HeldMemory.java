package io.datainf.sidecar.rpc;

import io.grpc.Detachable;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Bounds the bytes of messages that stay in the network's memory beyond their calls, over all streams: that memory is limited, and
 * connections break when it is used up. Any thread.
 */
final class HeldMemory {

    private final long limitBytes;
    private final AtomicLong heldBytes = new AtomicLong();

    HeldMemory(long limitBytes) {
        this.limitBytes = limitBytes;
    }

    /** Bytes held now. */
    long heldBytes() {
        return heldBytes.get();
    }

    /**
     * Takes a message out of its call, if there is room.
     *
     * @param message is detached then, and closed when what is returned is closed
     * @return null if there is no room
     */
    @Nullable
    Closeable hold(Detachable message, long bytes) {
        if (heldBytes.addAndGet(bytes) > limitBytes) {
            release(bytes);
            return null;
        }
        boolean held = false;
        try {
            InputStream detached = message.detach();
            held = true;
            AtomicBoolean closed = new AtomicBoolean();
            return () -> close(detached, bytes, closed);
        } finally {
            if (!held) {
                release(bytes);
            }
        }
    }

    private void close(InputStream message, long bytes, AtomicBoolean closed) throws IOException {
        if (closed.compareAndSet(false, true)) {
            try {
                message.close();
            } finally {
                release(bytes);
            }
        }
    }

    private void release(long bytes) {
        long ignored = heldBytes.addAndGet(-bytes);
    }
}
