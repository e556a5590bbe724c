package io.datainf.sidecar.ingest;

import java.lang.foreign.MemorySegment;

/**
 * The gradients of one message, in the pieces in which the network left them; read once, from first to last byte.
 *
 * <p>They are borrowed for the call that takes the message, on its thread, unless {@link #keep} takes them out of it.
 */
public interface GradientBytes extends AutoCloseable {

    /** Bytes not read yet. */
    int byteCount();

    /**
     * Copies the next bytes.
     *
     * @param target is filled; at most {@link #byteCount} bytes
     */
    void read(MemorySegment target);

    /**
     * Takes the bytes not read yet out of the message. This object is then closed.
     *
     * @return the bytes, valid until the caller closes them, for any thread, one at a time
     */
    GradientBytes keep();

    /** Gives the memory back. May be repeated; any thread may call it. */
    @Override
    void close();
}
