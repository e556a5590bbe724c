package io.datainf.sidecar.query;

/**
 * Is told how a job goes and how it ends, on threads that compute; it must not block or throw.
 *
 * @param <T> the answer
 */
public interface AnalysisListener<T> {

    /** It has come further. Only before the end, at most some 50 times. */
    void progressed(double fraction);

    /** The end: the answer, which the listener now owns. */
    void answered(T answer);

    /** The end: why there is no answer. */
    void failed(Throwable cause);
}
