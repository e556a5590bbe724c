package io.datainf.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import io.grpc.Status;
import io.netty.util.internal.PlatformDependent;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Writers and the server's distribution, and what may come between them. */
@Timeout(300)
final class SampleWriterIT {
    private static final int DIMENSION = 160;
    /** Six samples a batch. */
    private static final WriterOptions OPTIONS = WriterOptions.defaults().withBatchBytes(4_096);

    private static ServerProcess server;
    private static DataInfClient client;

    @BeforeAll
    static void start(@TempDir Path folder) throws Exception {
        server = new ServerProcess(folder);
        client = DataInfClient.connect(server.unixTarget());
    }

    @AfterAll
    static void stop() throws Exception {
        client.close();
        server.close();
    }

    private static RunDescription createRun(String runId) {
        return client.createRun(
                RunDefinition.builder(runId).block("a", 4, DIMENSION / 4).build());
    }

    private static float[] gradient(long id) {
        float[] gradient = new float[DIMENSION];
        for (int j = 0; j < DIMENSION; j++) {
            gradient[j] = (float) Math.sin((double) (id * DIMENSION + j));
        }
        return gradient;
    }

    private static void add(SampleWriter writer, long first, long last) throws InterruptedException {
        for (long id = first; id <= last; id++) {
            writer.add(id, gradient(id));
        }
    }

    private static Map<Long, StoredSample> stored(String runId) {
        Map<Long, StoredSample> samples = new TreeMap<>();
        try (SampleReader reader = client.readSamples(runId)) {
            reader.forEachRemaining(sample -> samples.put(sample.sampleId(), sample));
        }
        return samples;
    }

    /** Each once and as it was added: the run has made one step a sample. */
    private static void assertStored(String runId, long first, long last) {
        Map<Long, StoredSample> samples = stored(runId);
        assertThat(samples.keySet())
                .containsExactlyElementsOf(
                        LongStream.rangeClosed(first, last).boxed().toList());
        samples.forEach((id, sample) -> assertThat(sample.gradient()).isEqualTo(gradient(id)));
        assertThat(client.getRun(runId).revision()).isEqualTo(samples.size());
    }

    @Test
    void serverKilledTwice_sixteenWriters_nothingIsLostOrRepeated() throws Exception {
        int writers = 16;
        int each = 300;
        RunDescription run = createRun("killed");
        CountDownLatch started = new CountDownLatch(writers);
        CountDownLatch killed = new CountDownLatch(1);
        ExecutorService trainers = Executors.newFixedThreadPool(writers);
        try {
            List<Future<WriterProgress>> results = new ArrayList<>();
            for (int w = 0; w < writers; w++) {
                long first = 1 + (long) w * each;
                results.add(trainers.submit(() -> {
                    try (SampleWriter writer = client.openWriter(run, freshOptions())) {
                        add(writer, first, first + each / 3 - 1);
                        started.countDown();
                        add(writer, first + each / 3, first + 2 * each / 3 - 1);
                        killed.await();
                        add(writer, first + 2 * each / 3, first + each - 1);
                        writer.flush();
                        return writer.progress();
                    }
                }));
            }
            started.await();
            server.killAndRestart();
            killed.countDown();
            server.killAndRestart();
            for (Future<WriterProgress> result : results) {
                WriterProgress progress = result.get();
                assertThat(progress.ackedCount()).isEqualTo(each);
                assertThat(progress.bufferedCount()).isZero();
                assertThat(progress.reconnectCount()).isPositive();
            }
        } finally {
            trainers.shutdownNow();
        }
        assertStored("killed", 1, (long) writers * each);
    }

    private static WriterOptions freshOptions() {
        return WriterOptions.defaults().withBatchBytes(4_096);
    }

    @Test
    void serverPaused_writerBuffersAndGoesOn() throws Exception {
        RunDescription run = createRun("paused");
        try (SampleWriter writer = client.openWriter(run, OPTIONS)) {
            add(writer, 1, 20);
            writer.flush();
            server.pause();
            try {
                add(writer, 21, 200);
                assertThat(writer.progress().bufferedCount()).isEqualTo(180);
            } finally {
                server.resume();
            }
            assertThat(writer.flush()).isEqualTo(200);
            assertThat(writer.progress().reconnectCount()).isZero();
        }
        assertStored("paused", 1, 200);
    }

    @Test
    void serverNotThereYet_openWaitsForIt() throws Exception {
        RunDescription run = createRun("late");
        server.kill();
        try (ExecutorService trainer = Executors.newSingleThreadExecutor()) {
            Future<Long> revision = trainer.submit(() -> {
                try (SampleWriter writer = client.openWriter(run, OPTIONS)) {
                    add(writer, 1, 10);
                    return writer.flush();
                }
            });
            server.killAndRestart();
            assertThat(revision.get()).isEqualTo(10);
        }
        assertStored("late", 1, 10);
    }

    @Test
    void writerId_ofAnEarlierProcess_goesOnAfterItsLastBatch() throws Exception {
        WriterOptions options = OPTIONS.withWriterId("rank-0");
        RunDescription run = createRun("resumed");
        long durable;
        try (SampleWriter writer = client.openWriter(run, options)) {
            add(writer, 1, 100);
            writer.flush();
            durable = writer.progress().durableBatchSequence();
        }
        server.killAndRestart();
        try (DataInfClient second = DataInfClient.connect(server.unixTarget());
                SampleWriter writer = second.openWriter(run, options)) {
            assertThat(writer.progress().durableBatchSequence())
                    .isEqualTo(durable)
                    .isPositive();
            assertThat(writer.progress().revision()).isEqualTo(100);
            // What it is not sure of, it adds again.
            add(writer, 51, 150);
            assertThat(writer.flush()).isEqualTo(150);
            assertThat(writer.progress().duplicateCount()).isEqualTo(50);
        }
        assertStored("resumed", 1, 150);
    }

    @Test
    void writerId_usedTwiceAtOnce_endsTheOlder() throws Exception {
        RunDescription run = createRun("twice");
        SampleWriter older = client.openWriter(run, OPTIONS.withWriterId("same"));
        add(older, 1, 10);
        older.flush();
        try (SampleWriter newer = client.openWriter(run, OPTIONS.withWriterId("same"))) {
            assertThatThrownBy(() -> {
                        add(older, 900, 900);
                        older.flush();
                    })
                    .asInstanceOf(type(DataInfException.class))
                    .extracting(DataInfException::code)
                    .isEqualTo(Status.Code.ABORTED);
            assertThatThrownBy(older::close).isInstanceOf(DataInfException.class);
            add(newer, 11, 20);
        }
        assertStored("twice", 1, 20);
    }

    @Test
    void nan_isRejectedByNameAndTheOthersAreStored() throws Exception {
        float[] bad = gradient(4);
        bad[70] = Float.NaN;
        try (SampleWriter writer = client.openWriter(createRun("nan"), OPTIONS)) {
            add(writer, 1, 3);
            writer.add(4, bad);
            add(writer, 5, 5);
            writer.flush();
            assertThat(writer.progress().ackedCount()).isEqualTo(5);
            assertThat(writer.progress().rejectedSamples()).singleElement().satisfies(rejected -> {
                assertThat(rejected.sampleId()).isEqualTo(4);
                assertThat(rejected.blockName()).isEqualTo("a");
            });
        }
        assertThat(stored("nan").keySet()).containsExactly(1L, 2L, 3L, 5L);
    }

    @Test
    void encodedRows_bf16_areStoredBitForBitWithTheirSteps() throws Exception {
        RunDescription run = client.createRun(RunDefinition.builder("bf16")
                .block("a", 4, DIMENSION / 4)
                .storedAsBfloat16()
                .build());
        int rows = 50;
        int rowBytes = DIMENSION * Short.BYTES;
        ByteBuffer gradients = ByteBuffer.allocateDirect(rows * rowBytes).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < rows * DIMENSION; i++) {
            gradients.putShort((short) (0x3f00 + i % 200));
        }
        long[] ids = LongStream.range(0, rows).toArray();
        long[] steps = Arrays.stream(ids).map(id -> 1_000 - id).toArray();
        try (SampleWriter writer = client.openWriter(run, OPTIONS.withElementType(ElementType.BF16))) {
            writer.add(ids, gradients.flip(), steps);
        }
        stored("bf16").forEach((id, sample) -> {
            assertThat(ByteBuffer.wrap(sample.bytes())).isEqualTo(gradients.slice((int) (id * rowBytes), rowBytes));
            assertThat(sample.step()).isEqualTo(1_000 - id);
        });
        assertThat(client.getRun("bf16").sampleCount()).isEqualTo(rows);
    }

    @Test
    void encodedRows_f16_areWidened() throws Exception {
        ByteBuffer gradient = ByteBuffer.allocate(DIMENSION * Short.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int j = 0; j < DIMENSION; j++) {
            gradient.putShort(Float.floatToFloat16(j - 80.5f));
        }
        try (SampleWriter writer = client.openWriter(createRun("f16"), OPTIONS.withElementType(ElementType.F16))) {
            writer.add(new long[] {1}, gradient.flip());
        }
        float[] widened = Objects.requireNonNull(stored("f16").get(1L)).gradient();
        for (int j = 0; j < DIMENSION; j++) {
            assertThat(widened[j]).isEqualTo(j - 80.5f);
        }
    }

    @Test
    void thousandBatches_leaveNoDirectMemoryBehind() throws Exception {
        int columns = 16_384;
        float[] gradient = new float[columns];
        Arrays.fill(gradient, 1);
        RunDescription run = client.createRun(
                RunDefinition.builder("memory").block("a", 1, columns).build());
        // One sample a batch.
        WriterOptions options = WriterOptions.defaults().withBatchBytes(100_000).withMaxUnackedBytes(4 << 20);
        try (SampleWriter writer = client.openWriter(run, options)) {
            long before = 0;
            for (long id = 0; id < 1_300; id++) {
                gradient[0] = id;
                writer.add(id, gradient);
                if (id == 299) {
                    writer.flush();
                    before = directBytes();
                }
            }
            writer.flush();
            // A thousand batches are 65 MB.
            assertThat(directBytes() - before).isLessThan(16 << 20);
        }
    }

    private static long directBytes() {
        long pooled = ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .filter(pool -> pool.getName().equals("direct"))
                .mapToLong(BufferPoolMXBean::getMemoryUsed)
                .sum();
        return pooled + Math.max(0, PlatformDependent.usedDirectMemory());
    }
}
