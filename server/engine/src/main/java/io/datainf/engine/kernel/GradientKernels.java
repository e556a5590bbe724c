package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * The loops over stored gradients. A call works on one tile: at most {@link #tileRows()} rows, adjacent blocks, m columns at a time, single-threaded; the
 * caller spreads calls over threads. Implementations keep no state between calls and are safe for any number of threads;
 * a tile's results depend on its data only, bit for bit.
 *
 * <p>Scores are {@link #dots} with H: the caller divides by lambda_l and adds the blocks up in float64.
 */
public interface GradientKernels {

    /** Plain Java, float64 throughout: the oracle. */
    static GradientKernels scalar() {
        return ScalarKernels.INSTANCE;
    }

    /** SIMD through the Vector API, float32 inside a tile. */
    static GradientKernels vector() {
        return VectorApiKernels.INSTANCE;
    }

    /**
     * Opens the kernels that were asked for.
     *
     * @throws EngineUnavailableException if they cannot run here
     */
    static GradientKernels open(EngineOptions options) {
        return EngineChoice.open(options);
    }

    /** Kernels of float64 throughout, the way out where float32 is not enough: the fastest at hand. */
    static GradientKernels exact() {
        return EngineChoice.exact();
    }

    /** Kernels for squared norms, which all compute alike, in float64: the fastest at hand. */
    static GradientKernels norms() {
        return EngineChoice.norms();
    }

    /** Name of the engine, e.g. "vector". */
    String name();

    /** What a device has done and holds; empty if there is none. */
    default Optional<DeviceFigures> deviceFigures() {
        return Optional.empty();
    }

    /** Bytes of its memory that the device copies in a second, measured over {@code bytes}; empty if there is no device. */
    default OptionalDouble measureDeviceCopy(long bytes) {
        return OptionalDouble.empty();
    }

    /** Gives back what was opened; columns and sums must have gone. */
    default void close() {}

    /**
     * Error to expect at most of an inner product or a weighted sum, relative to the product of the norms of what went into it; calibrated, not
     * proved.
     */
    double relativeError();

    /** Most rows of a tile; a power of two. A tile begins at a multiple of it or, if it is a piece of one, of a smaller power of two. */
    default int tileRows() {
        return OffHeapRows.TILE_ROWS;
    }

    /**
     * Elements of a row that a tile should have at least, as far as the layout lets it; 1 asks for single blocks. Memory is read fastest in long
     * runs, which pays with few columns.
     */
    int preferredElements(int columnCount);

    /** Allocates columns to multiply stored gradients of {@code elementType} with. They live as long as {@code arena}. */
    ColumnVectors newVectors(BlockRange blocks, ElementType elementType, int columnCount, Arena arena);

    /** Allocates sums of stored gradients of {@code elementType}, all 0. They live as long as {@code arena}. */
    ColumnSums newSums(BlockRange blocks, ElementType elementType, int columnCount, Arena arena);

    /**
     * Computes the inner product of each row of the tile with each column, block by block.
     *
     * @param vectors columns over the blocks of the tile, made by these kernels
     * @param dots receives [blocks, columns, rows]
     */
    void dots(GradientTile tile, ColumnVectors vectors, double[] dots);

    /**
     * Adds up the rows of the tile, weighted by their inner products with the columns, for one or more sets of weights: for block b, set s and
     * column j, sums_b,sm+j += sum_k weight_sbk (v_bj . g_bk) g_bk, m columns. Reads each row from memory once and forms its products once. A
     * row of weight 0 adds nothing.
     *
     * @param vectors columns over the blocks of the tile, made by these kernels
     * @param weights [sets, blocks, rows]
     * @param sums {@code sets * vectors.columnCount()} columns over the same blocks, made by these kernels
     */
    void accumulate(GradientTile tile, ColumnVectors vectors, double[] weights, ColumnSums sums);

    /**
     * Computes the squared norm of some blocks of one row, in float64 from the values as they are. Not finite if and only if an
     * element of the block is not.
     *
     * @param row [D] elements, little-endian; any alignment, on or off the heap
     * @param elementType F32 or BF16
     * @param target [L], receives the entries of these blocks
     */
    void squaredNorms(MemorySegment row, BlockRange blocks, ElementType elementType, double[] target);
}
