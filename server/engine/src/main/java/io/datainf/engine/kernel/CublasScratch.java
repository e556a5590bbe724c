package io.datainf.engine.kernel;

import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;

/** Memory of the device for what a call computes in between, kept for the next. For the thread that holds the device's lock. */
final class CublasScratch implements AutoCloseable {

    /** What it is for. */
    enum Use {
        /** Products of the parts of columns with rows. */
        PARTS,
        /** Products of columns with rows. */
        PRODUCTS,
        /** Weights of the rows. */
        WEIGHTS,
        /** Products times weights. */
        COEFFICIENTS,
        /** What is left of coefficients after the first of their parts. */
        REST,
        /** Coefficients, part by part. */
        COEFFICIENT_PARTS,
        /** Sums of rows, for each part of the coefficients. */
        SUMS,
        /** Sums of rows, their parts added. */
        COLLECTED
    }

    private record Memory(long address, long bytes) {}

    private final CudaDevice device;
    private final CublasRows rows;
    private final Map<Use, Memory> memory = new EnumMap<>(Use.class);

    CublasScratch(CudaDevice device, CublasRows rows) {
        this.device = device;
        this.rows = rows;
    }

    /**
     * Returns memory for {@code count} numbers of float32. What it held for this use before is gone.
     *
     * @throws CudaException if there is too little
     */
    long floats(Use use, long count) {
        reserve(use, count);
        return Objects.requireNonNull(memory.get(use)).address;
    }

    /** Sees to it that the next {@link #floats} of as many numbers takes no memory. */
    void reserve(Use use, long count) {
        long bytes = count * Float.BYTES;
        Memory present = memory.get(use);
        if (present != null && present.bytes >= bytes) {
            return;
        }
        if (present != null) {
            memory.remove(use);
            device.free(present.address);
        }
        memory.put(use, new Memory(rows.allocate(bytes), bytes));
    }

    @Override
    public void close() {
        memory.values().forEach(each -> device.discard(each.address));
        memory.clear();
    }
}
