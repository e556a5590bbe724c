package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.nd4j.linalg.api.ndarray.INDArray;

/*
 * Rows are a row-major matrix G of a block, columns V and coefficients C are column-major: S = G V, R = G' C, one product each. S comes back
 * to be weighted, and R to be added up, in float64. BLAS adds up as many products in float32 as a row is long; so rows are cut into pieces.
 * The same source runs on both backends: they differ in where Nd4jRowCache puts the rows.
 */
/** Matrix products of ND4J: float32 inside a tile, float64 over tiles. ND4J is told to use one thread a call. */
final class Nd4jKernels implements GradientKernels {

    private static final int PIECE_ELEMENTS = 4096;
    // The same for any number of columns, so that a tile on a device serves all requests.
    private static final int RANGE_ELEMENTS = 32_768;

    private final String name;
    private final Nd4jRowCache cache;
    // As many as there were calls at the same time.
    private final ConcurrentLinkedQueue<Nd4jScratch> idle = new ConcurrentLinkedQueue<>();

    Nd4jKernels(String name, Nd4jRowCache cache) {
        this.name = name;
        this.cache = cache;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public double relativeError() {
        // BLAS adds up more terms in a row than the loops of VectorApiKernels, and the sums of rows in float32 too.
        return 16 * 0x1p-24;
    }

    @Override
    public int preferredElements(int columnCount) {
        return RANGE_ELEMENTS;
    }

    @Override
    public ColumnVectors newVectors(BlockRange blocks, ElementType elementType, int columnCount, Arena arena) {
        return new Nd4jColumns(blocks, columnCount, arena);
    }

    @Override
    public ColumnSums newSums(BlockRange blocks, ElementType elementType, int columnCount, Arena arena) {
        return new DoubleColumns(blocks, columnCount, arena);
    }

    @Override
    public void dots(GradientTile tile, ColumnVectors vectors, double[] dots) {
        Nd4jColumns v = (Nd4jColumns) vectors;
        Nd4jScratch scratch = borrow();
        try (Nd4jRows rows = cache.rows(tile)) {
            for (int b = 0; b < tile.blocks().blockCount(); b++) {
                computeDots(rows, b, v, scratch, dots, b * v.columnCount() * tile.rowCount());
            }
        } finally {
            idle.add(scratch);
        }
    }

    @Override
    public void accumulate(GradientTile tile, ColumnVectors vectors, double[] weights, ColumnSums sums) {
        Nd4jColumns v = (Nd4jColumns) vectors;
        DoubleColumns r = (DoubleColumns) sums;
        double[] dots = new double[v.columnCount() * tile.rowCount()];
        Nd4jScratch scratch = borrow();
        try (Nd4jRows rows = cache.rows(tile)) {
            for (int b = 0; b < tile.blocks().blockCount(); b++) {
                computeDots(rows, b, v, scratch, dots, 0);
                addRows(rows, b, weights, dots, scratch, r);
            }
        } finally {
            idle.add(scratch);
        }
    }

    @Override
    public void squaredNorms(MemorySegment row, BlockRange blocks, ElementType elementType, double[] target) {
        EngineChoice.norms().squaredNorms(row, blocks, elementType, target);
    }

    private Nd4jScratch borrow() {
        Nd4jScratch scratch = idle.poll();
        return scratch == null ? new Nd4jScratch() : scratch;
    }

    /** Writes the products of block {@code b} with all columns, [columns, rows], to {@code dots} from {@code first} on. */
    private static void computeDots(
            Nd4jRows rows, int b, Nd4jColumns v, Nd4jScratch scratch, double[] dots, int first) {
        int width = rows.blocks().width(b);
        int group;
        for (int column = 0; column < v.columnCount(); column += group) {
            group = Nd4jGroups.width(v.columnCount() - column);
            int start = first + column * rows.rowCount();
            float[] piece = new float[Math.min(group, v.columnCount() - column) * rows.rowCount()];
            Arrays.fill(dots, start, start + piece.length, 0);
            INDArray products = scratch.products(rows.rowCount(), group);
            for (int element = 0; element < width; element += PIECE_ELEMENTS) {
                int count = Math.min(PIECE_ELEMENTS, width - element);
                Nd4jArrays.multiply(rows.block(b, element, count), v.block(column, group, b, element, count), products);
                Nd4jArrays.read(products, piece);
                for (int i = 0; i < piece.length; i++) {
                    dots[start + i] += piece[i];
                }
            }
        }
    }

    /** Adds the rows of block {@code b}, times weights and products, to all sums. */
    private static void addRows(
            Nd4jRows rows, int b, double[] weights, double[] dots, Nd4jScratch scratch, DoubleColumns r) {
        int width = rows.blocks().width(b);
        INDArray transposed = rows.transposedBlock(b);
        int group;
        for (int sum = 0; sum < r.columnCount(); sum += group) {
            group = Nd4jGroups.width(r.columnCount() - sum);
            int count = Math.min(group, r.columnCount() - sum);
            float[] values = new float[group * rows.rowCount()];
            for (int j = 0; j < count; j++) {
                weigh(rows, b, weights, dots, sum + j, values, j * rows.rowCount());
            }
            INDArray coefficients = scratch.coefficients(rows.rowCount(), group);
            Nd4jArrays.write(coefficients, values);
            INDArray sums = scratch.sums(width, group);
            Nd4jArrays.multiply(transposed, coefficients, sums);
            float[] added = new float[count * width];
            Nd4jArrays.read(sums, added);
            for (int j = 0; j < count; j++) {
                add(added, j * width, width, r.values(), r.index(sum + j, b));
            }
        }
    }

    /** Coefficients of the rows in one sum: weights, [sets, blocks, rows], times products, [columns, rows]. */
    private static void weigh(
            Nd4jRows rows, int b, double[] weights, double[] dots, int sum, float[] target, int first) {
        int columnCount = dots.length / rows.rowCount();
        int firstWeight = (sum / columnCount * rows.blocks().blockCount() + b) * rows.rowCount();
        int firstDot = sum % columnCount * rows.rowCount();
        for (int k = 0; k < rows.rowCount(); k++) {
            double weight = weights[firstWeight + k];
            target[first + k] = weight == 0 ? 0 : (float) (weight * dots[firstDot + k]);
        }
    }

    private static void add(float[] source, int first, int count, MemorySegment target, long targetIndex) {
        for (int i = 0; i < count; i++) {
            double sum = target.getAtIndex(ValueLayout.JAVA_DOUBLE, targetIndex + i) + source[first + i];
            target.setAtIndex(ValueLayout.JAVA_DOUBLE, targetIndex + i, sum);
        }
    }
}
