package io.datainf.engine.store;

import java.time.Duration;

/**
 * When segments are rewritten without their dead rows.
 *
 * @param deadShare a full segment is rewritten once this share of its bytes is dead rows, above 0 to 1
 * @param deadline every dead row leaves the files within this time, whatever the share
 * @param bytesPerSecond most bytes that are written in a second; {@link Long#MAX_VALUE} for any number
 */
public record CompactionOptions(double deadShare, Duration deadline, long bytesPerSecond) {

    /** What servers use. */
    public static final CompactionOptions DEFAULT = new CompactionOptions(0.3, Duration.ofHours(1), 64L << 20);

    public CompactionOptions {
        if (!(deadShare > 0 && deadShare <= 1)) {
            throw new IllegalArgumentException("deadShare is %s: expected above 0 to 1".formatted(deadShare));
        }
        if (deadline.isNegative()) {
            throw new IllegalArgumentException("deadline is %s: expected 0 or more".formatted(deadline));
        }
        if (bytesPerSecond < 1) {
            throw new IllegalArgumentException("bytesPerSecond is %d: expected at least 1".formatted(bytesPerSecond));
        }
    }
}
