package io.datainf.sidecar.query;

/** Too many jobs wait. */
public final class AnalysisQueueFullException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    AnalysisQueueFullException(int capacity) {
        super("%d jobs wait already: expected fewer".formatted(capacity));
    }
}
