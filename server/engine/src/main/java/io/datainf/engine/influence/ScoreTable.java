package io.datainf.engine.influence;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * The memory of scores, off-heap float64: [m, rows], and [L, m, rows] for the terms of blocks where they are kept. All 0 at first. Distinct
 * entries may be written by different threads.
 */
final class ScoreTable implements AutoCloseable {

    private final int blockCount;
    private final int pointCount;
    private final int rowCount;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment scores;
    private final MemorySegment terms;

    ScoreTable(int blockCount, int pointCount, int rowCount, boolean perBlock) {
        this.blockCount = blockCount;
        this.pointCount = pointCount;
        this.rowCount = rowCount;
        try {
            this.scores = arena.allocate(ValueLayout.JAVA_DOUBLE, (long) pointCount * rowCount);
            this.terms = perBlock
                    ? arena.allocate(ValueLayout.JAVA_DOUBLE, (long) blockCount * pointCount * rowCount)
                    : MemorySegment.NULL;
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    /** Whether terms of blocks are kept. */
    boolean perBlock() {
        return terms.byteSize() > 0;
    }

    double score(int point, int row) {
        return scores.getAtIndex(ValueLayout.JAVA_DOUBLE, index(point, row));
    }

    double term(int block, int point, int row) {
        if (!perBlock()) {
            throw new IllegalStateException("terms of blocks were not asked for");
        }
        return terms.getAtIndex(ValueLayout.JAVA_DOUBLE, termIndex(block, point, row));
    }

    /** Adds to the scores of {@code count} consecutive rows. */
    void addScores(int point, int firstRow, double[] source, int sourceIndex, int count) {
        long first = index(point, firstRow);
        for (int k = 0; k < count; k++) {
            double sum = scores.getAtIndex(ValueLayout.JAVA_DOUBLE, first + k) + source[sourceIndex + k];
            scores.setAtIndex(ValueLayout.JAVA_DOUBLE, first + k, sum);
        }
    }

    /** Sets the scores and terms of a point to 0. */
    void clear(int point) {
        long bytes = (long) rowCount * Double.BYTES;
        scores.asSlice(index(point, 0) * Double.BYTES, bytes).fill((byte) 0);
        for (int l = 0; perBlock() && l < blockCount; l++) {
            terms.asSlice(termIndex(l, point, 0) * Double.BYTES, bytes).fill((byte) 0);
        }
    }

    void setTerm(int block, int point, int row, double value) {
        terms.setAtIndex(ValueLayout.JAVA_DOUBLE, termIndex(block, point, row), value);
    }

    private long index(int point, int row) {
        Objects.checkIndex(point, pointCount);
        Objects.checkIndex(row, rowCount);
        return (long) point * rowCount + row;
    }

    private long termIndex(int block, int point, int row) {
        Objects.checkIndex(block, blockCount);
        return (long) block * pointCount * rowCount + index(point, row);
    }

    @Override
    public void close() {
        arena.close();
    }
}
