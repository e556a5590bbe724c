package io.datainf.sidecar.query;

/** Is told how a query ends: one call, on the thread that computes; it must not block or throw. */
public interface QueryListener {

    /** The answer, which the listener now owns and closes. */
    void answered(QueryAnswer answer);

    /** Why there is no answer. */
    void failed(Throwable cause);
}
