package io.datainf.sidecar.tracing;

import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Whether and where to calls are traced. Safe for any number of threads. */
public interface Tracing extends AutoCloseable {

    /** Not at all. */
    Tracing OFF = header -> CallTrace.OFF;

    /**
     * Begins the trace of a call.
     *
     * @param header returns the value of a header of the call, e.g. {@code traceparent}; null if it has none
     */
    CallTrace begin(Function<String, @Nullable String> header);

    /** Sends what is left, for some seconds at most. */
    @Override
    default void close() {}
}
