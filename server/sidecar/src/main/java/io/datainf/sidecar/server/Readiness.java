package io.datainf.sidecar.server;

import java.util.Optional;
import java.util.function.Supplier;

/** Whether the server serves. Safe for any number of threads. */
final class Readiness {

    private volatile Supplier<Optional<String>> reason = () -> Optional.of("starting");

    /** Why the server does not serve; empty while it does. */
    Optional<String> whyNot() {
        return reason.get();
    }

    /** The server serves, unless {@code trouble} says what is wrong. */
    void serve(Supplier<Optional<String>> trouble) {
        reason = trouble;
    }

    /** The server has begun to stop. */
    void stop() {
        reason = () -> Optional.of("stopping");
    }
}
