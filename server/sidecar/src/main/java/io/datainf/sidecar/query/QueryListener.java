package io.datainf.sidecar.query;

/** Is told how a query goes and how it ends, on threads that compute; it must not block or throw. */
public interface QueryListener {

    /** Long work has come further. Only before the end, at most some 50 times. */
    default void progressed(double fraction) {}

    /** The end: the answer, which the listener now owns and closes. */
    void answered(QueryAnswer answer);

    /** The end: why there is no answer. */
    void failed(Throwable cause);
}
