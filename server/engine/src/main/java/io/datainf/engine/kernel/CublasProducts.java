package io.datainf.engine.kernel;

import io.datainf.engine.kernel.CublasScratch.Use;
import io.datainf.engine.kernel.CudaDevice.DataType;
import io.datainf.engine.kernel.CudaDevice.Matrix;
import io.datainf.engine.memory.ElementType;

/*
 * To cuBLAS, which is column-major, rows of a block are a matrix G, [width, rows], whose leading dimension is the distance between rows; columns are V, [width, columns].
 * Products are S = V' G, [columns, rows], the matrices of blocks one behind the other, so that the rows of all blocks are columns of one matrix. Sums are R = G C', [width, columns]. Neighbouring blocks of
 * equal width are one batch.
 *
 * Rows of bfloat16 are multiplied with three columns for each (CublasColumns), whose products are added. Coefficients come to three parts likewise: the upper half of a float32 is a bfloat16, so
 * with its lower half cleared it is two numbers of bfloat16, of which one is 0. That gives twice as many columns of sums as parts; every other one is 0.
 */
/** The products of one tile that lies on the device. For the thread that holds the device's lock. */
final class CublasProducts {

    private final CudaDevice device;
    private final CublasScratch scratch;
    private final BlockRange blocks;
    private final ElementType elementType;
    private final int parts;
    private final int rowCount;
    private final long rows;
    private final int strideElements;

    /**
     * Prepares products.
     *
     * @param address where the rows of the tile begin
     */
    CublasProducts(CudaDevice device, CublasScratch scratch, GradientTile tile, long address) {
        this.device = device;
        this.scratch = scratch;
        this.blocks = tile.blocks();
        this.elementType = tile.elementType();
        this.parts = CublasColumns.parts(elementType);
        this.rowCount = tile.rowCount();
        this.rows = address + (long) blocks.rowOffset() * elementType.byteCount();
        this.strideElements = (int) (tile.strideBytes() / elementType.byteCount());
    }

    /**
     * Takes all memory that a tile needs beside its rows, for which other rows may go; so before its rows are looked up.
     *
     * @param columnCount columns of a group
     */
    static void reserve(CublasScratch scratch, GradientTile tile, int columnCount, int setCount) {
        int parts = CublasColumns.parts(tile.elementType());
        long pairs = (long) tile.blocks().blockCount() * tile.rowCount();
        scratch.reserve(Use.PRODUCTS, pairs * columnCount);
        if (parts > 1) {
            scratch.reserve(Use.PARTS, pairs * columnCount * parts);
        }
        if (setCount > 0) {
            long sums = pairs * setCount * columnCount;
            scratch.reserve(Use.WEIGHTS, pairs * setCount);
            scratch.reserve(Use.COEFFICIENTS, sums);
            if (parts > 1) {
                scratch.reserve(Use.REST, sums);
                scratch.reserve(Use.COEFFICIENT_PARTS, parts * sums);
            }
        }
    }

    /** Numbers of float32 that sums take while they are added up. */
    static long sumFloats(BlockRange blocks, ElementType elementType, int sums) {
        int parts = CublasColumns.parts(elementType);
        return (long) blocks.elementCount() * sums * (parts == 1 ? 1 : 2 * parts);
    }

    /**
     * Computes the products of the rows with a group of columns, [blocks, rows, columns] row-major.
     *
     * @param columns where the group lies
     * @return where the products lie
     */
    long dots(long columns, int columnCount) {
        int all = parts * columnCount;
        long pairs = (long) blocks.blockCount() * rowCount;
        long products = scratch.floats(parts == 1 ? Use.PRODUCTS : Use.PARTS, pairs * all);
        int leading = CublasColumns.leadingDimension(blocks);
        forEachBatch((first, count, width) -> device.multiplyTransposed(
                new Matrix(columns + bytes(blocks.offset(first)), type(), leading, width),
                new Matrix(rows + bytes(blocks.offset(first)), type(), strideElements, width),
                new Matrix(products + 4L * first * rowCount * all, DataType.F32, all, (long) rowCount * all),
                all,
                rowCount,
                width,
                count));
        if (parts == 1) {
            return products;
        }
        Matrix sum = floats(scratch.floats(Use.PRODUCTS, pairs * columnCount), columnCount);
        int n = Math.toIntExact(pairs);
        device.add(floats(products, all), floats(products + 4L * columnCount, all), sum, columnCount, n);
        device.add(sum, floats(products + 8L * columnCount, all), sum, columnCount, n);
        return sum.address();
    }

    /**
     * Adds up the rows, weighted by their products with a group of columns.
     *
     * @param products from {@link #dots}
     * @param weights [sets, blocks, rows], on the device
     * @param target {@link #sumFloats} numbers of float32 for {@link #collect}
     * @param fromZero whether what {@code target} holds does not count
     */
    void accumulate(long products, int columnCount, long weights, int setCount, long target, boolean fromZero) {
        int sums = setCount * columnCount;
        int pairs = Math.toIntExact((long) blocks.blockCount() * rowCount);
        long coefficients = scratch.floats(Use.COEFFICIENTS, (long) pairs * sums);
        for (int set = 0; set < setCount; set++) {
            device.scaleColumns(
                    floats(products, columnCount),
                    weights + 4L * set * pairs,
                    floats(coefficients + 4L * set * columnCount, sums),
                    columnCount,
                    pairs);
        }
        if (parts == 1) {
            addRows(coefficients, sums, target, fromZero);
        } else {
            // Twice as many numbers of bfloat16; of each two, the second is the upper half.
            addRows(split(coefficients, sums, pairs), 2 * parts * sums, target, fromZero);
        }
    }

    /** Makes parts of bfloat16 of coefficients. */
    private long split(long coefficients, int sums, int pairs) {
        int all = parts * sums;
        long split = scratch.floats(Use.COEFFICIENT_PARTS, (long) pairs * all);
        Matrix rest = floats(coefficients, sums);
        for (int part = 0; part < parts; part++) {
            Matrix target = floats(split + 4L * part * sums, all);
            device.copy(rest, target, sums, pairs);
            // Of the parts before, the lower halves are clear already; what comes behind is not written yet.
            device.clearLowerHalves(split, (long) pairs * all);
            if (part < parts - 1) {
                Matrix left = floats(scratch.floats(Use.REST, (long) pairs * sums), sums);
                device.subtract(rest, target, left, sums, pairs);
                rest = left;
            }
        }
        return split;
    }

    private void addRows(long coefficients, int count, long target, boolean fromZero) {
        int elements = blocks.elementCount();
        forEachBatch((first, batch, width) -> device.multiplyByTransposed(
                new Matrix(rows + bytes(blocks.offset(first)), type(), strideElements, width),
                new Matrix(
                        coefficients + bytes((long) first * rowCount * count), type(), count, (long) rowCount * count),
                new Matrix(target + 4L * blocks.offset(first), DataType.F32, elements, width),
                width,
                count,
                rowCount,
                batch,
                fromZero));
    }

    /** Returns where the sums lie that were accumulated in {@code target}, [sums, elements] row-major. */
    static long collect(CudaDevice device, CublasScratch scratch, GradientTile tile, long target, int sums) {
        if (CublasColumns.parts(tile.elementType()) == 1) {
            return target;
        }
        int elements = tile.blocks().elementCount();
        long column = 4L * elements;
        Matrix sum = floats(scratch.floats(Use.COLLECTED, (long) elements * sums), elements);
        Matrix first = floats(target + column, 2 * elements);
        device.add(first, floats(target + column * (2L * sums + 1), 2 * elements), sum, elements, sums);
        device.add(sum, floats(target + column * (4L * sums + 1), 2 * elements), sum, elements, sums);
        return sum.address();
    }

    private DataType type() {
        return parts == 1 ? DataType.F32 : DataType.BF16;
    }

    private long bytes(long elements) {
        return elements * elementType.byteCount();
    }

    private static Matrix floats(long address, int leadingDimension) {
        return new Matrix(address, DataType.F32, leadingDimension, 0);
    }

    /** Takes neighbouring blocks of equal width. */
    @FunctionalInterface
    private interface BatchAction {
        void take(int firstBlock, int blockCount, int width);
    }

    private void forEachBatch(BatchAction action) {
        int end;
        for (int first = 0; first < blocks.blockCount(); first = end) {
            end = first + 1;
            while (end < blocks.blockCount() && blocks.width(end) == blocks.width(first)) {
                end++;
            }
            action.take(first, end - first, blocks.width(first));
        }
    }
}
