package io.datainf.sidecar.rpc;

import io.datainf.engine.run.RunId;
import io.datainf.engine.run.RunRegistry;
import io.datainf.sidecar.security.Caller;
import io.datainf.sidecar.security.QuotaExceededException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Bounds the runs under the names that a caller may use, and the size of their files. Sizes are looked up anew every two seconds; what is
 * written meanwhile goes beyond. Thread-safe.
 */
final class StorageQuota {

    private static final long FRESH_NANOS = Duration.ofSeconds(2).toNanos();

    private final RunRegistry runs;
    private final ConcurrentHashMap<String, Size> sizes = new ConcurrentHashMap<>();

    StorageQuota(RunRegistry runs) {
        this.runs = runs;
    }

    /**
     * Checks that the caller may create a run; one that exists may always be asked for again.
     *
     * @throws QuotaExceededException if not
     */
    void requireRoomForRun(Caller caller, RunId id) {
        int most = caller.quota().runs();
        if (most < Integer.MAX_VALUE && !runs.exists(id)) {
            long count = runs.count(caller::mayUse);
            if (count >= most) {
                throw new QuotaExceededException(
                        QuotaExceededException.Kind.RUNS,
                        "%s: there are %d, expected at most %d; delete some".formatted(describe(caller), count, most));
            }
        }
    }

    /**
     * Checks that the caller may store samples.
     *
     * @throws QuotaExceededException if not
     */
    void requireRoomForSamples(Caller caller) {
        long most = caller.quota().diskBytes();
        if (most < Long.MAX_VALUE) {
            long bytes = sizes.compute(caller.name(), (name, found) -> fresh(found) ? found : sizeFor(caller))
                    .bytes();
            if (bytes >= most) {
                throw new QuotaExceededException(
                        QuotaExceededException.Kind.DISK,
                        "%s: they take %d bytes on disk, expected less than %d; delete some"
                                .formatted(describe(caller), bytes, most));
            }
        }
    }

    private static String describe(Caller caller) {
        return "runs %s of '%s'".formatted(caller.runs(), caller.name());
    }

    private static boolean fresh(@Nullable Size size) {
        return size != null && System.nanoTime() - size.atNanos() < FRESH_NANOS;
    }

    private Size sizeFor(Caller caller) {
        try {
            return new Size(runs.diskBytes(caller::mayUse), System.nanoTime());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private record Size(long bytes, long atNanos) {}
}
