package io.datainf.loadtests.kernels;

import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** The limit that the memory sets: a SIMD sum over rows from their first byte to their last, by as many threads as kernels have. */
final class MemoryReading implements AutoCloseable {

    private static final VectorSpecies<Long> SPECIES = LongVector.SPECIES_PREFERRED;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;

    private static final int PIECE_ROWS = 32;

    private final int threadCount;
    private final ExecutorService threads;

    MemoryReading(int threadCount) {
        this.threadCount = threadCount;
        this.threads = Executors.newFixedThreadPool(threadCount);
    }

    /** Reads all rows once and returns a sum, lest it be optimised away. */
    long read(GradientMatrix matrix) throws ExecutionException, InterruptedException {
        AtomicInteger nextPiece = new AtomicInteger();
        AtomicLong sum = new AtomicLong();
        long rowCount = matrix.rowCount();
        Runnable worker = () -> {
            long row = (long) nextPiece.getAndIncrement() * PIECE_ROWS;
            while (row < rowCount) {
                sum.addAndGet(sum(matrix.rows(row, (int) Math.min(PIECE_ROWS, rowCount - row))));
                row = (long) nextPiece.getAndIncrement() * PIECE_ROWS;
            }
        };
        List<Future<?>> workers = new ArrayList<>();
        for (int i = 0; i < threadCount; i++) {
            workers.add(threads.submit(worker));
        }
        for (Future<?> running : workers) {
            running.get();
        }
        return sum.get();
    }

    private static long sum(MemorySegment rows) {
        LongVector s0 = LongVector.zero(SPECIES);
        LongVector s1 = s0;
        LongVector s2 = s0;
        LongVector s3 = s0;
        long step = SPECIES.vectorByteSize();
        for (long x = 0; x <= rows.byteSize() - 4 * step; x += 4 * step) {
            s0 = s0.add(LongVector.fromMemorySegment(SPECIES, rows, x, LE));
            s1 = s1.add(LongVector.fromMemorySegment(SPECIES, rows, x + step, LE));
            s2 = s2.add(LongVector.fromMemorySegment(SPECIES, rows, x + 2 * step, LE));
            s3 = s3.add(LongVector.fromMemorySegment(SPECIES, rows, x + 3 * step, LE));
        }
        return s0.add(s1).add(s2.add(s3)).reduceLanes(VectorOperators.ADD);
    }

    @Override
    public void close() {
        threads.close();
    }
}
