package io.datainf.sidecar.query;

import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.run.RunSnapshot;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Samples of the run in the place of validation points.
 *
 * @param sampleIds the trainer's ids, [m], m at least 1
 */
@SuppressWarnings("ArrayRecordComponent") // handed over, not shared
public record StoredSamples(long[] sampleIds) implements QuerySource {

    @Override
    public int count() {
        return sampleIds.length;
    }

    /**
     * Returns their gradients, which the caller closes.
     *
     * @throws io.datainf.engine.run.UnknownSampleException if the snapshot lacks one
     * @throws QueryMemoryException if there is too little memory
     * @throws io.datainf.engine.run.UnreadableSamplesException if one turns out to be damaged
     */
    ValidationGradients load(RunSnapshot snapshot, QueryMemory memory) {
        int[] ordinals = snapshot.ordinalsOf(sampleIds);
        GradientMatrix rows = snapshot.samples().gradients();
        ValidationGradients gradients =
                ValidationGradients.allocate(rows.layout(), ordinals.length, ElementType.F32, memory);
        boolean loaded = false;
        try (Arena arena = Arena.ofShared()) {
            MemorySegment row = arena.allocate(rows.rowBytes(), Double.BYTES);
            for (int ordinal : ordinals) {
                snapshot.readRow(ordinal, row);
                gradients.appendRow(row, rows.elementType());
            }
            loaded = true;
            return gradients;
        } finally {
            if (!loaded) {
                gradients.close();
            }
        }
    }
}
