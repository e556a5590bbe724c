package io.datainf.sidecar.query;

import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.run.RunSnapshot;

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
     */
    ValidationGradients load(RunSnapshot snapshot, QueryMemory memory) {
        int[] ordinals = snapshot.ordinalsOf(sampleIds);
        GradientMatrix rows = snapshot.samples().gradients();
        ValidationGradients gradients =
                ValidationGradients.allocate(rows.layout(), ordinals.length, ElementType.F32, memory);
        for (int ordinal : ordinals) {
            gradients.appendRow(rows.row(ordinal), rows.elementType());
        }
        return gradients;
    }
}
