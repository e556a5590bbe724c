package io.datainf.loadtests.faults;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.BatchReceipt;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.RunId;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.run.RunWriter;
import io.datainf.engine.run.SampleBatch;
import io.datainf.engine.store.StoreEvents;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/** Writers that keep some batches of one sample each under way, straight into the engine: no network, no protobuf. */
public final class StoreWriting {

    private static final int BLOCKS = 96;
    private static final int RANK = 4;
    private static final int WIDTH = 1_024;

    /** Bytes of a sample: D = 393,216, RoBERTa-large with rank 4. */
    public static final long ROW_BYTES = (long) BLOCKS * RANK * WIDTH * Float.BYTES;

    private static final int UNDER_WAY = 8;
    private static final int CONTENTS = 32;
    private static final MemorySegment GRADIENTS = gradients();

    private StoreWriting() {}

    /**
     * What was measured.
     *
     * @param bytes of all frames
     * @param groupBytes of a group, on average
     * @param bytesPerSecond from the first batch to the last ack
     */
    public record Result(long bytes, long groupBytes, double bytesPerSecond) {}

    /** Writes samples into a new data directory, waits for all acks, and removes it. */
    public static Result write(Path folder, int writers, int samples) throws Exception {
        AtomicLong bytes = new AtomicLong();
        AtomicLong groups = new AtomicLong();
        StoreEvents events = new StoreEvents() {
            @Override
            public void appended(int recordCount, int sampleCount, long appendedBytes) {
                groups.incrementAndGet();
                bytes.addAndGet(appendedBytes);
            }
        };
        Path data = folder.resolve("data");
        double seconds;
        try (RunRegistry registry = RunRegistry.open(data, 2L * samples * ROW_BYTES, events);
                ExecutorService threads = Executors.newFixedThreadPool(writers)) {
            Run run = registry.create(definition());
            long startNanos = System.nanoTime();
            List<Future<?>> done = new ArrayList<>();
            for (int w = 0; w < writers; w++) {
                int writer = w;
                done.add(threads.submit(() -> write(run, writer, samples / writers)));
            }
            for (Future<?> one : done) {
                one.get();
            }
            seconds = (System.nanoTime() - startNanos) / 1e9;
        } finally {
            delete(data);
        }
        return new Result(bytes.get(), bytes.get() / groups.get(), (double) bytes.get() / seconds);
    }

    private static RunDefinition definition() {
        List<Block> blocks = new ArrayList<>();
        for (int block = 0; block < BLOCKS; block++) {
            blocks.add(new Block("block%02d".formatted(block), RANK, WIDTH));
        }
        return new RunDefinition(
                new RunId("written"), BlockLayout.of(blocks), ElementType.F32, 0.1, "checkpoint", Map.of());
    }

    private static int write(Run run, int writerIndex, int samples) throws InterruptedException, ExecutionException {
        Semaphore mayGo = new Semaphore(UNDER_WAY);
        List<CompletableFuture<BatchReceipt>> receipts = new ArrayList<>();
        try (RunWriter writer = run.openWriter("writer-" + writerIndex)) {
            for (int i = 0; i < samples; i++) {
                mayGo.acquire();
                long content = (i + 7L * writerIndex) % CONTENTS;
                SampleBatch batch = new SampleBatch(
                        i + 1,
                        new long[] {(long) writerIndex * samples + i},
                        new long[0],
                        ElementType.F32,
                        GRADIENTS.asSlice(content * ROW_BYTES, ROW_BYTES));
                CompletableFuture<BatchReceipt> receipt = writer.append(batch).toCompletableFuture();
                receipts.add(receipt.whenComplete((stored, failure) -> mayGo.release()));
            }
            for (CompletableFuture<BatchReceipt> receipt : receipts) {
                receipt.get();
            }
        }
        return samples;
    }

    private static MemorySegment gradients() {
        MemorySegment gradients = Arena.global().allocate(CONTENTS * ROW_BYTES, 64);
        Random random = new Random(1);
        for (long i = 0; i < gradients.byteSize() / Float.BYTES; i++) {
            gradients.setAtIndex(ValueLayout.JAVA_FLOAT, i, random.nextFloat() - 0.5f);
        }
        return gradients;
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}
