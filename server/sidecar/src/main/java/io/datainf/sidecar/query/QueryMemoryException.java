package io.datainf.sidecar.query;

/** The gradients or scores of a query do not fit into the memory for queries. */
public final class QueryMemoryException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final boolean temporary;

    QueryMemoryException(long requestedBytes, long maxBytes) {
        super(
                requestedBytes > maxBytes
                        ? "the query needs %d bytes: at most %d bytes are there for all queries"
                                .formatted(requestedBytes, maxBytes)
                        : "the query needs %d bytes: other queries hold too many of the %d bytes"
                                .formatted(requestedBytes, maxBytes));
        this.temporary = requestedBytes <= maxBytes;
    }

    /** Whether it would fit if other queries did not hold memory. */
    public boolean temporary() {
        return temporary;
    }
}
