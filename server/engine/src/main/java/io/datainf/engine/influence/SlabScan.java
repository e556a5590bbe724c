package io.datainf.engine.influence;

import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.ObjDoubleConsumer;
import java.util.stream.IntStream;

/*
 * The rows are cut into slabs at fixed ordinals. A slab of which a row is absent is filled into a buffer, from files and from memory, while the ones before it are
 * computed with; slabs that are in memory are taken where they lie. So tiles of the same rows are computed wherever rows lie, as long as a tile fits into a slab.
 */
/** One reading of a sample set whose rows are not all in memory. */
final class SlabScan {

    // One is computed with, two are being filled: while the last of one is read and checked, the disk goes on with the
    // next.
    private static final int BUFFERS = 3;
    // Sums are added up in float64 once a slab, which should not cost more than its rows.
    private static final int MIN_ROWS = 8;
    private static final int MAX_ROWS = 1 << 16;

    private final ScanContext context;
    private final SampleSet samples;
    private final ObjDoubleConsumer<RowStretch> action;
    private final BitSet absent;
    private final int slabRows;
    private final Deque<RowStretch> unread = new ArrayDeque<>();
    private final Deque<Filling> ahead = new ArrayDeque<>();
    private final Deque<GradientMatrix> free = new ArrayDeque<>();

    /** A slab being filled. */
    private record Filling(RowStretch rows, CompletableFuture<Void> done) {}

    /**
     * Prepares a reading.
     *
     * @param action takes the rows, in order, and the share of all rows that they are
     */
    SlabScan(ScanContext context, ObjDoubleConsumer<RowStretch> action) {
        this.context = context;
        this.samples = context.samples();
        this.action = action;
        this.absent = samples.absent().ordinals();
        long rows = samples.absent().slabBytes() / samples.gradients().strideBytes();
        this.slabRows = Integer.highestOneBit(Math.clamp(rows, MIN_ROWS, MAX_ROWS));
    }

    /** Reads. One computation at a time: the disk is the bottleneck, and memory for buffers is taken once. */
    void run() {
        context.pool().lockReading(context.work());
        try {
            for (int i = 0; i < BUFFERS; i++) {
                free.add(GradientMatrix.window(
                        samples.layout(), samples.gradients().elementType()));
            }
            List<RowStretch> stretches = stretches();
            stretches.stream().filter(rows -> !inMemory(rows)).forEach(unread::add);
            fillAhead();
            stretches.forEach(this::take);
        } finally {
            try {
                release();
            } finally {
                context.pool().unlockReading();
            }
        }
    }

    private void release() {
        ahead.forEach(filling -> filling.done.exceptionally(failure -> null).join());
        ahead.forEach(filling -> filling.rows.matrix().close());
        free.forEach(GradientMatrix::close);
    }

    /** Slabs, those in memory joined to their neighbours. */
    private List<RowStretch> stretches() {
        List<RowStretch> stretches = new ArrayList<>();
        RowStretch whole = new RowStretch(samples.gradients(), 0, samples.rowCount());
        int start = 0;
        for (int i = 0; i < whole.pieceCount(slabRows); i++) {
            int first = whole.pieceStart(i, slabRows);
            int end = first + whole.pieceRows(i, slabRows);
            RowStretch slab = new RowStretch(samples.gradients(), first, end);
            if (!inMemory(slab)) {
                if (start < first) {
                    stretches.add(new RowStretch(samples.gradients(), start, first));
                }
                stretches.add(slab);
                start = end;
            }
        }
        if (start < whole.endOrdinal()) {
            stretches.add(new RowStretch(samples.gradients(), start, whole.endOrdinal()));
        }
        return stretches;
    }

    private boolean inMemory(RowStretch rows) {
        int next = absent.nextSetBit(rows.firstOrdinal());
        return next < 0 || next >= rows.endOrdinal();
    }

    private void take(RowStretch rows) {
        context.work().check();
        double share = (double) rows.rowCount() / samples.rowCount();
        if (inMemory(rows)) {
            action.accept(rows, share);
            return;
        }
        Filling filling = ahead.element();
        await(filling.done);
        action.accept(filling.rows, share);
        free.add(ahead.remove().rows.matrix());
        fillAhead();
    }

    private void fillAhead() {
        while (!unread.isEmpty() && !free.isEmpty()) {
            RowStretch rows = unread.remove();
            GradientMatrix window = free.remove();
            window.moveTo(rows.firstOrdinal(), rows.rowCount());
            int[] missing = IntStream.range(rows.firstOrdinal(), rows.endOrdinal())
                    .filter(absent::get)
                    .toArray();
            MemorySegment[] targets =
                    IntStream.of(missing).mapToObj(window::row).toArray(MemorySegment[]::new);
            RowStretch target = new RowStretch(window, rows.firstOrdinal(), rows.endOrdinal());
            ahead.add(new Filling(target, samples.absent().read(missing, targets)));
            for (int k = rows.firstOrdinal(); k < rows.endOrdinal(); k++) {
                if (samples.live(k) && !absent.get(k)) {
                    window.row(k).copyFrom(samples.gradients().row(k));
                }
            }
        }
    }

    /** Waits for rows, also when interrupted: they are being read into memory of the caller. Throws what was wrong with them. */
    static void await(CompletableFuture<Void> reading) {
        try {
            reading.join();
        } catch (CompletionException e) {
            switch (e.getCause()) {
                case RuntimeException cause -> throw cause;
                case Error cause -> throw cause;
                case null, default -> throw e;
            }
        }
    }
}
