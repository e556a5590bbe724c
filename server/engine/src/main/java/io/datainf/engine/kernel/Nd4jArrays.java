package io.datainf.engine.kernel;

import java.lang.foreign.MemorySegment;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.nd4j.linalg.api.buffer.DataBuffer;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.concurrency.AffinityManager;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/*
 * ND4J frees the memory of arrays when the garbage collector finds them, which knows nothing of their size: whoever owns an array here
 * closes it. Views own nothing and are not closed.
 */
/** float32 arrays of ND4J over our memory, and what goes into and out of them. */
final class Nd4jArrays {

    private Nd4jArrays() {}

    /**
     * Returns a vector over {@code count} float32 of memory. The CPU backend works in that memory, which must outlive the array; the CUDA
     * backend copies it to the device at once. The caller closes it, which leaves the memory as it is.
     */
    static INDArray wrap(MemorySegment memory, long count) {
        DataBuffer buffer = Nd4j.createBuffer(new Floats(memory, count), count, DataType.FLOAT);
        return Nd4j.create(buffer, new long[] {count}, new long[] {1}, 0, 'c');
    }

    /** Returns a matrix within an array: element (i, j) lies at {@code offset + i * rowStride + j * columnStride}. */
    static INDArray matrix(INDArray array, long offset, long rows, long columns, long rowStride, long columnStride) {
        char order = rowStride == 1 ? 'f' : 'c';
        return Nd4j.create(
                array.data(), new long[] {rows, columns}, new long[] {rowStride, columnStride}, offset, order);
    }

    /** Allocates a matrix with adjacent columns, as products want their result. The caller closes it. */
    static INDArray allocate(long rows, long columns) {
        return Nd4j.createUninitialized(DataType.FLOAT, new long[] {rows, columns}, 'f');
    }

    /** Copies the first {@code target.length} elements of an allocated array, column by column. */
    static void read(INDArray array, float[] target) {
        array.data().asNioFloat().get(0, target);
    }

    /** Fills an allocated array, column by column; {@code values} has as many elements. */
    static void write(INDArray array, float[] values) {
        array.data().asNioFloat().put(0, values);
        Nd4j.getAffinityManager().tagLocation(array.data(), AffinityManager.Location.HOST);
    }

    /** Computes {@code result = left * right}. */
    static void multiply(INDArray left, INDArray right, INDArray result) {
        Nd4j.gemm(left, right, result, false, false, 1, 0);
    }

    /** Memory of ours, as ND4J wants it. */
    private static final class Floats extends FloatPointer {

        Floats(MemorySegment memory, long count) {
            super((Pointer) null);
            address = memory.asSlice(0, count * Float.BYTES).address();
            limit = count;
            capacity = count;
        }
    }
}
