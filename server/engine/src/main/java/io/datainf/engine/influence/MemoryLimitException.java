package io.datainf.engine.influence;

/** EXACT would need more memory than it may take. */
public final class MemoryLimitException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final long neededBytes;
    private final long limitBytes;

    MemoryLimitException(long neededBytes, long limitBytes) {
        super("EXACT needs %d bytes for its solver: memoryLimitBytes is %d".formatted(neededBytes, limitBytes));
        this.neededBytes = neededBytes;
        this.limitBytes = limitBytes;
    }

    /** The least that would do. */
    public long neededBytes() {
        return neededBytes;
    }

    /** What was allowed. */
    public long limitBytes() {
        return limitBytes;
    }
}
