package io.datainf.sidecar.server;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Whether the server serves. Safe for any number of threads. */
final class Readiness {

    private volatile @Nullable String reason = "starting";

    /** Why the server does not serve; empty while it does. */
    Optional<String> whyNot() {
        return Optional.ofNullable(reason);
    }

    /** Takes the reason, or null when the server serves. */
    void set(@Nullable String newReason) {
        reason = newReason;
    }
}
