package io.datainf.engine.run;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * Samples that were acknowledged and cannot be read any more. They count for nothing until they are sent again.
 *
 * @param count how many; at most that many, if segments were compacted whose heads are damaged
 * @param sampleIds ids of the first {@value #MOST_IDS} of those whose ids can be read
 */
public record DamagedSamples(int count, List<Long> sampleIds) {

    private static final int MOST_IDS = 1_000;

    public DamagedSamples {
        sampleIds = List.copyOf(sampleIds);
    }

    /** Reads them out of a state; the caller holds the rows. */
    static DamagedSamples of(RowTable rows, RunState state) {
        BitSet damaged = state.damagedRows();
        List<Long> ids = new ArrayList<>();
        for (int ordinal = damaged.nextSetBit(0); ordinal >= 0 && ids.size() < MOST_IDS; ) {
            if (!rows.hole(ordinal)) {
                ids.add(rows.sampleId(ordinal));
            }
            ordinal = damaged.nextSetBit(ordinal + 1);
        }
        return new DamagedSamples(damaged.cardinality(), ids);
    }
}
