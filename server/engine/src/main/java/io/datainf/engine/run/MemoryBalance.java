package io.datainf.engine.run;

import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/*
 * Who comes first gets memory: rows stay where they are as they arrive or are loaded, while there is room. Then, step by step: the run that was asked last and has samples outside
 * memory gets what is free; if nothing is, the run that has not been asked for longest makes room, provided that this is long enough ago to be sure that the two are not
 * asked by turns.
 */
/** Moves memory from runs that nobody asks to one that is being asked. Maintenance thread; ingest does not wait for it. */
final class MemoryBalance {

    /** How much longer ago a run must have been asked than the one it makes room for. */
    static final Duration IDLE = Duration.ofMinutes(1);

    /** How long memory that no rows take is kept for others; it is within the budget all the while. */
    static final Duration SPARE = Duration.ofMinutes(10);

    // Bounds the time that a step takes, and what is out of memory between its two halves.
    private static final long STEP_BYTES = 256L << 20;

    private final MemoryBudget budget;

    MemoryBalance(MemoryBudget budget) {
        this.budget = budget;
    }

    /** Takes a step. */
    void step(List<Run> runs, Duration idle) {
        budget.memory().giveBack(SPARE);
        runs.forEach(Run::discardEvicted);
        Optional<Run> wanting = runs.stream()
                .filter(run -> run.lastAskedNanos() != Run.NEVER && run.residentCount() < run.sampleCount())
                .max(Comparator.comparingLong(Run::lastAskedNanos));
        if (wanting.isEmpty()) {
            return;
        }
        Run run = wanting.get();
        long missing = (run.sampleCount() - run.residentCount()) * run.rowMemoryBytes();
        long step = Math.min(missing, STEP_BYTES);
        long free = budget.limitBytes() - budget.reservedBytes();
        if (free < step) {
            long leaving = runs.stream().mapToLong(Run::leavingBytes).sum();
            idlest(runs, run, idle).filter(other -> leaving < step).ifPresent(other -> other.evict(step - free));
        }
        if (budget.limitBytes() - budget.reservedBytes() >= run.rowMemoryBytes()) {
            run.loadRows(step);
        }
    }

    private static Optional<Run> idlest(List<Run> runs, Run wanting, Duration idle) {
        return runs.stream()
                .filter(run -> run != wanting && run.residentCount() > 0)
                .filter(run -> run.lastAskedNanos() == Run.NEVER
                        || wanting.lastAskedNanos() - run.lastAskedNanos() >= idle.toNanos())
                .min(Comparator.comparingLong(Run::lastAskedNanos));
    }
}
