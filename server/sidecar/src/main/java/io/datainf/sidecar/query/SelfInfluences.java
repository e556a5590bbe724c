package io.datainf.sidecar.query;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.SampleSet;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunSnapshot;
import java.lang.ref.WeakReference;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.Optional;

/**
 * Self-influences of all samples that were computed, kept as long as their run stays at its revision and memory lasts. Thread-safe.
 */
final class SelfInfluences {

    private final long maxBytes;
    // Guarded by this. The one used last is first.
    private final Deque<Kept> results = new ArrayDeque<>();

    /**
     * Creates an empty store.
     *
     * @param maxBytes most bytes of results, which lie on the Java heap; the newest one may be larger
     */
    SelfInfluences(long maxBytes) {
        this.maxBytes = maxBytes;
    }

    /**
     * Returns the self-influence of each row of the snapshot, [rowCount], 0 for dead rows; empty if it has not been computed.
     * Not to be changed.
     */
    synchronized Optional<double[]> find(Run run, RunSnapshot snapshot, Damping damping) {
        double[] lambda = lambda(snapshot, damping);
        for (Iterator<Kept> iterator = results.iterator(); iterator.hasNext(); ) {
            Kept kept = iterator.next();
            if (kept.isOf(run) && kept.revision() == snapshot.revision() && Arrays.equals(kept.lambda(), lambda)) {
                iterator.remove();
                results.addFirst(kept);
                return Optional.of(kept.byRow());
            }
        }
        return Optional.empty();
    }

    /** Keeps a result, and forgets those of earlier revisions of the run and those not used for longest. */
    synchronized void keep(Run run, RunSnapshot snapshot, Damping damping, double[] byRow) {
        double[] lambda = lambda(snapshot, damping);
        results.removeIf(
                kept -> kept.run().refersTo(null) || (kept.isOf(run) && kept.replacedBy(snapshot.revision(), lambda)));
        results.addFirst(new Kept(new WeakReference<>(run), snapshot.revision(), lambda, byRow));
        while (results.size() > 1 && bytes() > maxBytes) {
            results.removeLast();
        }
    }

    private long bytes() {
        return results.stream()
                .mapToLong(kept -> (long) kept.byRow().length * Double.BYTES)
                .sum();
    }

    private static double[] lambda(RunSnapshot snapshot, Damping damping) {
        SampleSet samples = snapshot.samples();
        return damping.lambda(samples.layout(), samples.statistics());
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared as a whole
    private record Kept(WeakReference<Run> run, long revision, double[] lambda, double[] byRow) {

        /** Weakly, so that a deleted run can go. */
        boolean isOf(Run other) {
            return run.refersTo(other);
        }

        boolean replacedBy(long newRevision, double[] newLambda) {
            return revision != newRevision || Arrays.equals(lambda, newLambda);
        }
    }
}
