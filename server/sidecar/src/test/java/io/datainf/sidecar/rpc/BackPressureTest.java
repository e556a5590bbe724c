package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QueryResponse;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.Selection;
import io.datainf.proto.v1.StoredSamples;
import io.datainf.proto.v1.TopSamples;
import io.datainf.sidecar.Await;
import io.datainf.sidecar.security.Quota;
import io.grpc.ManagedChannel;
import io.grpc.stub.BlockingClientCall;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Clients that are slower than the server, or many. */
class BackPressureTest {

    // 1,000 points times 2,000 samples: 16 MB of scores and as many of ids, more than any window of the transport.
    private static final int POINTS = 1_000;
    private static final int SAMPLES = 2_000;

    @Test
    void query_slowReader_holdsUpNobodyAndGetsEverything(@TempDir Path dataDirectory) throws Exception {
        try (TestServer server = new TestServer(dataDirectory)) {
            storeNumbered(server);
            ManagedChannel slowChannel = server.newChannel();
            BlockingClientCall<?, QueryResponse> slow = big(server, slowChannel);
            Answer answer = new Answer();
            answer.readPart(slow);

            Answer quick = Answer.read(server.influenceService()
                    .query(QueryRequest.newBuilder()
                            .setSpec(spec(1).setSelection(Selection.newBuilder()
                                    .setTop(TopSamples.newBuilder().setCount(10))))
                            .build()));
            assertThat(quick.ids(0)).hasSize(10);
            Await.until("answered queries to be counted", () -> server.events.answeredQueries.get() == 1);
            assertThat(scoresHeld(server)).isTrue();

            answer.readRest(slow);
            assertThat(answer.seriesCount()).isEqualTo(POINTS);
            for (int j = 0; j < POINTS; j += 100) {
                assertThat(answer.ids(j)).hasSize(SAMPLES);
            }
            assertThat(answer.scores(1).length).isEqualTo(SAMPLES);
            slowChannel.shutdownNow().awaitTermination(20, TimeUnit.SECONDS);
        }
    }

    @Test
    void query_slowReaderGivesUp_letsTheScoresGo(@TempDir Path dataDirectory) throws Exception {
        try (TestServer server = new TestServer(dataDirectory)) {
            storeNumbered(server);
            BlockingClientCall<?, QueryResponse> slow = big(server, server.channel);
            new Answer().readPart(slow);
            assertThat(scoresHeld(server)).isTrue();
            slow.cancel("the test gives up", null);
            Await.until("the scores to go", () -> server.queries.memory().usedBytes() == 0);
            assertThat(server.events.answeredQueries.get()).isZero();
            Await.until("failed queries to be counted", () -> server.events.failedQueries.get() == 1);
        }
    }

    private static void storeNumbered(TestServer server) throws Exception {
        Run run = server.createRun("r1", 2);
        TestWriter writer = TestWriter.open(server, run.definition(), "w");
        float[][] rows = new float[SAMPLES][];
        for (int i = 0; i < SAMPLES; i++) {
            rows[i] = new float[] {i + 1, SAMPLES - i};
        }
        writer.send(Wire.batch(1, 0, rows));
        writer.ackOf(1);
    }

    private static BlockingClientCall<?, QueryResponse> big(TestServer server, ManagedChannel channel) {
        return server.influenceService(channel)
                .query(QueryRequest.newBuilder().setSpec(spec(POINTS)).build());
    }

    private static QuerySpec.Builder spec(int points) {
        StoredSamples.Builder stored = StoredSamples.newBuilder();
        for (int i = 0; i < points; i++) {
            stored.addSampleIds(i);
        }
        return QuerySpec.newBuilder().setRunId("r1").setStoredSamples(stored);
    }

    /** The big answer, and nothing of the small one. */
    private static boolean scoresHeld(TestServer server) {
        return server.queries.memory().usedBytes() == (long) POINTS * SAMPLES * Double.BYTES;
    }

    @Test
    void ingest_writerThatReadsNoAcks_getsThemAllInTheEnd(@TempDir Path dataDirectory) throws Exception {
        int batches = 40;
        int samples = 1_500;
        RpcLimits limits = new RpcLimits(1 << 20, 64 << 10, 1 << 20, 1 << 20, Quota.DEFAULT);
        try (TestServer server = new TestServer(dataDirectory, limits)) {
            Run run = server.createRun("r1", 1);
            float[][] rows = new float[samples][];
            for (int i = 0; i < samples; i++) {
                rows[i] = new float[] {Float.NaN};
            }
            ByteString gradients = Wire.f32(rows);
            TestWriter writer = TestWriter.open(server, run.definition(), "w");
            // Each ack names 1,500 samples: together they are more than the transport holds.
            try (ExecutorService sender = Executors.newSingleThreadExecutor()) {
                Future<?> sent = sender.submit(() -> {
                    for (int i = 1; i <= batches; i++) {
                        writer.send(Wire.batch(i, 0, gradients, samples));
                    }
                    writer.halfClose();
                    return null;
                });
                Await.until("the server to stop reading", () -> server.events.heldStreams.get() == 1 || sent.isDone());
                assertThat(writer.ackOf(batches).getRejectedSamplesList()).hasSize(batches * samples);
                sent.get(20, TimeUnit.SECONDS);
            }
            assertThat(writer.endsWell()).isZero();
            Await.until("the stream not to be held", () -> server.events.heldStreams.get() == 0);
            Await.until(
                    "rejected samples to be counted",
                    () -> server.events.rejectedSamples.get() == (long) batches * samples);
        }
    }

    @Test
    void ingest_manyWriters_stayWithinTheBudgetAndAllGetOn(@TempDir Path dataDirectory) throws Exception {
        int writers = 64;
        int batches = 15;
        int rowsPerBatch = 8;
        int dimension = 512; // 16 KiB a batch
        long batchBytes = (long) rowsPerBatch * (dimension * Float.BYTES + Long.BYTES);
        RpcLimits limits = new RpcLimits(1 << 20, 4 * batchBytes, 2 * batchBytes, 1 << 20, Quota.DEFAULT);
        try (TestServer server = new TestServer(dataDirectory, limits)) {
            Run run = server.createRun("r1", dimension);
            float[][] rows = new float[rowsPerBatch][dimension];
            List<Callable<Long>> tasks = new ArrayList<>();
            for (int w = 0; w < writers; w++) {
                long firstId = 1_000L * w;
                String writerId = "w" + w;
                tasks.add(() -> {
                    ManagedChannel channel = server.newChannel();
                    TestWriter writer = new TestWriter(channel);
                    writer.send(Wire.open(run.definition(), writerId));
                    writer.opened();
                    for (int i = 1; i <= batches; i++) {
                        writer.send(Wire.batch(i, firstId + (long) rowsPerBatch * i, rows));
                    }
                    writer.halfClose();
                    long durable = writer.endsWell();
                    channel.shutdownNow().awaitTermination(20, TimeUnit.SECONDS);
                    return durable;
                });
            }
            // One batch a stream may go beyond the limit.
            long boundBytes = limits.maxInFlightBytes() + writers * batchBytes;
            try (ExecutorService senders = Executors.newFixedThreadPool(writers)) {
                List<Future<Long>> sending = tasks.stream().map(senders::submit).toList();
                Await.until("all writers to end", () -> {
                    assertThat(server.frontend.inFlightBytes()).isLessThanOrEqualTo(boundBytes);
                    return sending.stream().allMatch(Future::isDone);
                });
                for (Future<Long> durable : sending) {
                    assertThat(durable.get()).isEqualTo(batches);
                }
            }
            assertThat(run.sampleCount()).isEqualTo((long) writers * batches * rowsPerBatch);
            assertThat(server.events.greatestUnackedBytes.get()).isPositive();
            assertThat(server.events.greatestUnackedBytes.get()).isLessThanOrEqualTo(boundBytes);
        }
    }
}
