package io.datainf.engine.influence;

import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/** The same samples, but some rows hold NaN in memory until they are read, by threads of their own. */
final class FilesOfRows implements AbsentRows, AutoCloseable {

    private final SampleSet whole;
    private final GradientMatrix partial;
    private final BitSet absent;
    private final long slabBytes;
    private final ExecutorService readers = Executors.newFixedThreadPool(2);
    private final AtomicInteger reads = new AtomicInteger();
    private volatile int failing = -1;
    private volatile boolean touched;

    FilesOfRows(StoredSamples samples, BitSet absent, long slabBytes) {
        this.whole = samples.set();
        this.absent = absent;
        this.slabBytes = slabBytes;
        this.partial = new GradientMatrix(whole.layout(), whole.gradients().elementType());
        for (int k = 0; k < whole.rowCount(); k++) {
            MemorySegment row = partial.nextRow();
            if (absent.get(k)) {
                row.fill((byte) 0xff);
            } else {
                row.copyFrom(whole.gradients().row(k));
            }
            partial.publishRow();
        }
    }

    SampleSet set() {
        return new SampleSet(
                partial, whole.squaredNorms(), whole.rowCount(), whole.deadRows(), whole.statistics(), this);
    }

    InfluenceRequest of(InfluenceRequest request) {
        return new InfluenceRequest(
                set(),
                request.validationCount(),
                request.validationGradients(),
                request.method(),
                request.dampings(),
                true,
                false);
    }

    /** Rows read so far. */
    int readCount() {
        return reads.get();
    }

    /** Whether rows were asked for since {@link #failAt}. */
    boolean touched() {
        return touched;
    }

    /** Lets the reading of one row fail. */
    void failAt(int ordinal) {
        failing = ordinal;
        touched = false;
    }

    @Override
    public BitSet ordinals() {
        return absent;
    }

    @Override
    public long slabBytes() {
        return slabBytes;
    }

    @Override
    public CompletableFuture<Void> read(int[] ordinals, MemorySegment[] targets) {
        return CompletableFuture.runAsync(
                () -> {
                    for (int i = 0; i < ordinals.length; i++) {
                        if (ordinals[i] == failing) {
                            throw new IllegalStateException("row %d cannot be read".formatted(ordinals[i]));
                        }
                        targets[i].copyFrom(whole.gradients().row(ordinals[i]));
                        reads.incrementAndGet();
                    }
                    touched = true;
                },
                readers);
    }

    @Override
    public void close() {
        readers.close();
        partial.close();
    }
}
