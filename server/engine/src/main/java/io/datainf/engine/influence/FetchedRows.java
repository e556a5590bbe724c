package io.datainf.engine.influence;

import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** Some rows of a sample set: where they lie in memory, or read for the purpose. One that reads them, any number that use them. */
final class FetchedRows implements AutoCloseable {

    private final RowStretch[] rows;
    private final List<GradientMatrix> windows = new ArrayList<>();

    /** Fetches rows, in the order given. */
    FetchedRows(SampleSet samples, int[] ordinals) {
        this.rows = new RowStretch[ordinals.length];
        boolean fetched = false;
        try {
            for (int i = 0; i < ordinals.length; i++) {
                GradientMatrix matrix = samples.gradients();
                if (samples.absent().ordinals().get(ordinals[i])) {
                    matrix = GradientMatrix.window(samples.layout(), matrix.elementType());
                    matrix.moveTo(ordinals[i], 1);
                    windows.add(matrix);
                }
                rows[i] = new RowStretch(matrix, ordinals[i], ordinals[i] + 1);
            }
            read(samples);
            fetched = true;
        } finally {
            if (!fetched) {
                close();
            }
        }
    }

    private void read(SampleSet samples) {
        RowStretch[] absent = IntStream.range(0, rows.length)
                .mapToObj(i -> rows[i])
                .filter(row -> !row.matrix().lasting())
                .sorted((a, b) -> Integer.compare(a.firstOrdinal(), b.firstOrdinal()))
                .toArray(RowStretch[]::new);
        if (absent.length > 0) {
            int[] ordinals = new int[absent.length];
            MemorySegment[] targets = new MemorySegment[absent.length];
            for (int i = 0; i < absent.length; i++) {
                ordinals[i] = absent[i].firstOrdinal();
                targets[i] = absent[i].matrix().row(ordinals[i]);
            }
            SlabScan.await(samples.absent().read(ordinals, targets));
        }
    }

    /** The stretch of the {@code i}-th row. */
    RowStretch get(int i) {
        return rows[i];
    }

    /** The {@code i}-th row. */
    MemorySegment row(int i) {
        return rows[i].matrix().row(rows[i].firstOrdinal());
    }

    @Override
    public void close() {
        windows.forEach(GradientMatrix::close);
    }
}
