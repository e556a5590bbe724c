package io.datainf.engine.kernel;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/** Rows whose elements say where they belong: row * 1000 + position in the row. */
final class Nd4jRowsFixture implements AutoCloseable {

    final GradientMatrix matrix;

    Nd4jRowsFixture(int rowCount, int... widths) {
        this.matrix = new GradientMatrix(layout(widths), ElementType.F32);
        addRows(rowCount);
    }

    static BlockLayout layout(int... widths) {
        List<Block> blocks = new ArrayList<>();
        for (int width : widths) {
            blocks.add(new Block("block" + blocks.size(), 1, width));
        }
        return BlockLayout.of(blocks);
    }

    void addRows(int count) {
        for (int i = 0; i < count; i++) {
            long ordinal = matrix.rowCount();
            MemorySegment row = matrix.nextRow();
            for (int e = 0; e < matrix.layout().dimension(); e++) {
                row.setAtIndex(ValueLayout.JAVA_FLOAT, e, value(ordinal, e));
            }
            matrix.publishRow();
        }
    }

    GradientTile tile(int firstRow, int rowCount, int firstBlock, int endBlock) {
        return new GradientTile(matrix, firstRow, rowCount, new BlockRange(matrix.layout(), firstBlock, endBlock));
    }

    static float value(long row, int element) {
        return row * 1000f + element;
    }

    @Override
    public void close() {
        matrix.close();
    }
}
