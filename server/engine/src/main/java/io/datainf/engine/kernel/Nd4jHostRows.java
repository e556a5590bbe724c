package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Rows for the CPU backend: float32 where they lie, bfloat16 widened into a copy. Keeps nothing. */
final class Nd4jHostRows implements Nd4jRowCache {

    @Override
    public Nd4jRows rows(GradientTile tile) {
        int elements = tile.blocks().elementCount();
        if (tile.elementType() == ElementType.F32) {
            long stride = tile.matrix().strideBytes() / Float.BYTES;
            MemorySegment rows = tile.rows().asSlice(tile.rowOffsetBytes(0));
            INDArray array = Nd4jArrays.wrap(rows, (tile.rowCount() - 1) * stride + elements);
            return new Nd4jRows(array, 0, tile.rowCount(), stride, tile.blocks(), array::close);
        }
        Arena arena = Arena.ofConfined();
        try {
            INDArray array = Nd4jArrays.wrap(Nd4jRowCache.pack(tile, arena), (long) tile.rowCount() * elements);
            return new Nd4jRows(array, 0, tile.rowCount(), elements, tile.blocks(), () -> {
                array.close();
                arena.close();
            });
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }
}
