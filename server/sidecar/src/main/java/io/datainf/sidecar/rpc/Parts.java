package io.datainf.sidecar.rpc;

import java.util.Iterator;

/**
 * The messages of one answer, made as the client reads them. Whoever holds it closes it. For one thread at a time.
 *
 * @param <R> what is sent
 */
interface Parts<R> extends Iterator<R>, AutoCloseable {

    @Override
    default void close() {}

    /** Parts that hold nothing, in order. */
    static <R> Parts<R> of(Iterable<R> messages) {
        Iterator<R> iterator = messages.iterator();
        return new Parts<>() {
            @Override
            public boolean hasNext() {
                return iterator.hasNext();
            }

            @Override
            public R next() {
                return iterator.next();
            }
        };
    }
}
