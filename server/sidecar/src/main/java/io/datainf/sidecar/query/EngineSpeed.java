package io.datainf.sidecar.query;

/** How fast this server has computed of late, for guesses. Thread-safe. */
final class EngineSpeed {

    // What one slow core does, until there is something better.
    private static final double FIRST_GUESS = 5e9;
    // A slow computation (one point, a busy machine) says less than a fast one, but speeds do change.
    private static final double FORGETTING = 0.95;
    // Below a millisecond the start of the threads is what takes time.
    private static final long LEAST_NANOS = 1_000_000;

    // Guarded by this. Points times samples times elements, for each second.
    private double perSecond;

    /** A computation of so many validation points times samples times elements has taken this long. */
    synchronized void measured(double multiplications, long nanos) {
        if (nanos >= LEAST_NANOS) {
            perSecond = Math.max(FORGETTING * perSecond, multiplications * 1e9 / nanos);
        }
    }

    /** How long so many multiplications may take. */
    synchronized long guessNanos(double multiplications) {
        return (long) (multiplications / (perSecond == 0 ? FIRST_GUESS : perSecond) * 1e9);
    }
}
