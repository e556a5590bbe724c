package io.datainf.engine.store;

import java.util.List;

/** Rows cannot be read: they are damaged, or the disk says so. */
public final class UnreadableRowsException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final transient List<Integer> ordinals;

    UnreadableRowsException(List<Integer> ordinals, Throwable first) {
        super("%d rows cannot be read".formatted(ordinals.size()), first);
        this.ordinals = ordinals;
    }

    /** Which rows. */
    public List<Integer> ordinals() {
        return ordinals;
    }
}
