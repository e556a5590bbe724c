package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Brings stored gradients to where ND4J multiplies them. Safe for any number of threads. */
interface Nd4jRowCache {

    /** Returns the rows of a tile. The caller closes them. */
    Nd4jRows rows(GradientTile tile);

    /** Copies the rows of a tile, [rows, elements of the range] float32; other types are widened, exactly. */
    static MemorySegment pack(GradientTile tile, Arena arena) {
        int elements = tile.blocks().elementCount();
        ElementType type = tile.elementType();
        MemorySegment rows = tile.rows();
        long rowBytes = (long) elements * Float.BYTES;
        MemorySegment packed = arena.allocate(ValueLayout.JAVA_FLOAT, (long) tile.rowCount() * elements);
        for (int k = 0; k < tile.rowCount(); k++) {
            MemorySegment row = rows.asSlice(tile.rowOffsetBytes(k), (long) elements * type.byteCount());
            ElementConversion.convert(row, type, packed.asSlice(k * rowBytes, rowBytes), ElementType.F32, elements);
        }
        return packed;
    }
}
