package io.datainf.engine.run;

import java.io.IOException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Whether the data directory takes writes, as far as the last one tells. Safe for any number of threads. */
final class StoreHealth {

    private volatile @Nullable String trouble;

    /** A write failed. */
    void failed(RunId id, IOException cause) {
        trouble = "writes of run '%s' fail: %s".formatted(id, cause.getMessage());
    }

    /** A write was durable. */
    void worked() {
        if (trouble != null) {
            trouble = null;
        }
    }

    /** What is wrong; empty if nothing is. */
    Optional<String> trouble() {
        return Optional.ofNullable(trouble);
    }
}
