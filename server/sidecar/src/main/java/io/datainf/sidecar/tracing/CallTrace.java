package io.datainf.sidecar.tracing;

/** Where what one call does is traced. Safe for any number of threads; returns at once, never throws. */
public interface CallTrace {

    /** Nowhere. */
    CallTrace OFF = new CallTrace() {
        @Override
        public boolean on() {
            return false;
        }

        @Override
        public void ended(Operation operation) {
            // nobody wants to know
        }
    };

    /** Whether it pays to make an {@link Operation}: the client may have decided, with its {@code traceparent}, that it does not. */
    boolean on();

    /** An operation of the call has ended. */
    void ended(Operation operation);
}
