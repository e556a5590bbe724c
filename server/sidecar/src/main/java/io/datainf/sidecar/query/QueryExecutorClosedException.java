package io.datainf.sidecar.query;

/** No more queries are computed: the server is stopping. */
public final class QueryExecutorClosedException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    QueryExecutorClosedException() {
        super("the server is stopping: the query was not computed");
    }
}
