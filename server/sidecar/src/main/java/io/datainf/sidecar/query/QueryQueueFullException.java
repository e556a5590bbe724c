package io.datainf.sidecar.query;

/** Too many queries wait. */
public final class QueryQueueFullException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    QueryQueueFullException(int capacity) {
        super("%d queries wait already: expected fewer".formatted(capacity));
    }
}
