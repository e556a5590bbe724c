package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static io.datainf.sidecar.rpc.Wire.batch;
import static io.datainf.sidecar.rpc.Wire.fragment;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import com.google.rpc.Code;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunId;
import io.datainf.proto.v1.Ack;
import io.datainf.proto.v1.AllSamples;
import io.datainf.proto.v1.DeleteSamplesRequest;
import io.datainf.proto.v1.ReadSamplesRequest;
import io.datainf.proto.v1.SampleBatch;
import io.datainf.sidecar.Await;
import io.grpc.ManagedChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each sample counts once, whoever else writes and whatever breaks. */
class ExactlyOnceTest {

    private static final int DIMENSION = 3;
    private static final float[] ROW = {1, 2, 3};

    @TempDir
    private Path dataDirectory;

    private TestServer server;
    private Run run;

    @BeforeEach
    void start() throws Exception {
        server = new TestServer(dataDirectory);
        run = server.createRun("r1", DIMENSION);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private void restart() throws Exception {
        server.close();
        server = new TestServer(dataDirectory);
        run = server.runs.get(new RunId("r1"));
    }

    private TestWriter open(String writerId) throws Exception {
        return TestWriter.open(server, run.definition(), writerId);
    }

    /** Opens a stream and returns the batch that the server says it has. */
    private long resumePoint(TestWriter writer, String writerId) throws Exception {
        writer.send(Wire.open(run.definition(), writerId));
        return writer.opened().getResumeAfterBatchSeq();
    }

    /** A writer that sends all of its batches without a pause, and then reads its acks. */
    private Callable<Ack> onItsOwnConnection(String writerId, int batches, BatchSource source) {
        return () -> {
            ManagedChannel channel = server.newChannel();
            try {
                TestWriter writer = new TestWriter(channel);
                assertThat(resumePoint(writer, writerId)).isZero();
                for (int seq = 1; seq <= batches; seq++) {
                    writer.send(source.batch(seq));
                }
                writer.halfClose();
                return writer.ackOf(batches);
            } finally {
                channel.shutdownNow().awaitTermination(20, TimeUnit.SECONDS);
            }
        };
    }

    private static List<Ack> atOnce(List<Callable<Ack>> writers) throws Exception {
        List<Ack> acks = new ArrayList<>();
        try (ExecutorService executor = Executors.newFixedThreadPool(writers.size())) {
            for (Future<Ack> ack : executor.invokeAll(writers)) {
                acks.add(ack.get());
            }
        }
        return acks;
    }

    private Map<Long, ByteString> storedRows() throws Exception {
        ReadReply reply = ReadReply.read(server.exportService(server.channel)
                .readSamples(ReadSamplesRequest.newBuilder()
                        .setRunId("r1")
                        .setAll(AllSamples.getDefaultInstance())
                        .build()));
        Map<Long, ByteString> rows = new HashMap<>();
        for (int i = 0; i < reply.ids().size(); i++) {
            rows.put(reply.ids().get(i), reply.rows().get(i));
        }
        return rows;
    }

    @Test
    void ingest_sameSamplesFromManyWritersAtOnce_areStoredOnce() throws Exception {
        int writers = 16;
        int batches = 40;
        List<Callable<Ack>> tasks = new ArrayList<>();
        for (int w = 0; w < writers; w++) {
            int shift = w;
            // Each in another order, so that every writer is the first somewhere.
            tasks.add(onItsOwnConnection("w" + w, batches, seq -> {
                long firstId = 2L * ((seq + 5 * shift) % batches);
                return batch(seq, firstId, rowOf(firstId), rowOf(firstId + 1));
            }));
        }
        long duplicates =
                atOnce(tasks).stream().mapToLong(Ack::getDuplicateCount).sum();
        long samples = 2L * batches;
        assertThat(duplicates).isEqualTo((writers - 1) * samples);
        assertThat(run.revision()).isEqualTo(samples);
        Map<Long, ByteString> rows = storedRows();
        assertThat(rows).hasSize((int) samples);
        rows.forEach((id, row) -> assertThat(row).isEqualTo(Wire.f32(rowOf(id))));
    }

    @Test
    void ingest_sameIdsWithOtherContentFromTwoWritersAtOnce_oneReplacesTheOther() throws Exception {
        int batches = 50;
        int rowsPerBatch = 4;
        float[] ones = {1, 1, 1};
        float[] twos = {2, 2, 2};
        List<Ack> acks = atOnce(List.of(
                onItsOwnConnection("w1", batches, seq -> batch(seq, (long) rowsPerBatch * seq, ones, ones, ones, ones)),
                onItsOwnConnection(
                        "w2", batches, seq -> batch(seq, (long) rowsPerBatch * seq, twos, twos, twos, twos))));
        long samples = (long) batches * rowsPerBatch;
        assertThat(acks.stream().mapToLong(Ack::getReplacedCount).sum()).isEqualTo(samples);
        assertThat(acks.stream().mapToLong(Ack::getDuplicateCount).sum()).isZero();
        assertThat(run.revision()).isEqualTo(2 * samples);
        assertThat(storedRows()).hasSize((int) samples);
        assertThat(storedRows().values()).isSubsetOf(Wire.f32(ones), Wire.f32(twos));
    }

    @Test
    void ingest_streamAfterStreamOfOneWriter_eachBatchNumberCountsOnce() throws Exception {
        int batches = 30;
        for (int s = 1; s <= 10; s++) {
            TestWriter writer = new TestWriter(server.channel);
            // Whoever comes takes over. The ids tell streams apart, so that a batch applied twice would show.
            for (long seq = resumePoint(writer, "w") + 1; seq <= batches; seq++) {
                writer.send(batch(seq, 100L * s + seq, ROW));
            }
        }
        TestWriter last = new TestWriter(server.channel);
        long resumed = resumePoint(last, "w");
        for (long seq = resumed + 1; seq <= batches; seq++) {
            last.send(batch(seq, seq, ROW));
        }
        last.halfClose();
        last.endsWell();
        assertThat(run.revision()).isEqualTo(batches);
        assertThat(storedRows().keySet().stream().map(id -> id % 100).sorted())
                .containsExactlyElementsOf(
                        LongStream.rangeClosed(1, batches).boxed().toList());
    }

    @Test
    void open_afterRestart_eachWriterGoesOnFromItsDurableBatch() throws Exception {
        TestWriter first = open("first");
        first.send(batch(1, 1, ROW));
        first.send(batch(2, 2, ROW));
        first.ackOf(2);
        // Batches that leave no sample count too: of duplicates only, and of rejected samples only.
        TestWriter second = open("second");
        second.send(batch(1, 1, ROW));
        second.send(batch(2, 7, new float[] {Float.NaN, 0, 0}));
        assertThat(second.ackOf(2).getRejectedSamplesCount()).isEqualTo(1);
        restart();

        TestWriter firstAgain = new TestWriter(server.channel);
        assertThat(resumePoint(firstAgain, "first")).isEqualTo(2);
        firstAgain.send(batch(2, 20, ROW));
        firstAgain.send(batch(3, 3, ROW));
        assertThat(firstAgain.ackOf(3).getRevision()).isEqualTo(3);
        assertThat(resumePoint(new TestWriter(server.channel), "second")).isEqualTo(2);
        assertThat(resumePoint(new TestWriter(server.channel), "third")).isZero();
        assertThat(storedRows()).containsOnlyKeys(1L, 2L, 3L);
    }

    @Test
    void open_afterItsSamplesLeftTheFiles_writerGoesOnFromItsDurableBatch() throws Exception {
        TestWriter writer = open("w");
        for (int seq = 1; seq <= 5; seq++) {
            writer.send(batch(seq, seq, ROW));
        }
        writer.ackOf(5);
        writer.halfClose();
        writer.endsWell();
        DeleteSamplesRequest.Builder all = DeleteSamplesRequest.newBuilder().setRunId("r1");
        for (long id = 1; id <= 5; id++) {
            all.addSampleIds(id);
        }
        server.ingestService().deleteSamples(all.build());
        server.runs.compact();
        restart();

        TestWriter again = new TestWriter(server.channel);
        assertThat(resumePoint(again, "w")).isEqualTo(5);
        again.send(batch(6, 6, ROW));
        again.ackOf(6);
        assertThat(storedRows()).containsOnlyKeys(6L);
    }

    @Test
    void ingest_sampleCutByARestart_beginsAgainAtElementZero() throws Exception {
        TestWriter cut = open("w");
        cut.send(batch(1, 1, ROW));
        cut.send(fragment(2, 2, ROW, 0, 2));
        cut.ackOf(1);
        restart();

        TestWriter goesOn = new TestWriter(server.channel);
        assertThat(resumePoint(goesOn, "w")).isEqualTo(1);
        goesOn.send(fragment(2, 2, ROW, 2, 3));
        assertStatus(goesOn.fails()).is(Code.INVALID_ARGUMENT, "INVALID_BATCH").violates("batch.element_offset");

        TestWriter beginsAgain = open("w");
        beginsAgain.send(fragment(2, 2, ROW, 0, 1));
        beginsAgain.send(fragment(2, 2, ROW, 1, 3));
        beginsAgain.ackOf(2);
        assertThat(storedRows()).containsOnly(Map.entry(1L, Wire.f32(ROW)), Map.entry(2L, Wire.f32(ROW)));
    }

    @Test
    void ingest_ackLostWithItsStream_isNotToldAgain() throws Exception {
        TestWriter lost = open("w");
        lost.send(batch(1, 1, new float[] {Float.NaN, 0, 0}, ROW));
        Await.until("the batch to be stored", () -> run.sampleCount() == 1);
        lost.cancel();

        TestWriter again = new TestWriter(server.channel);
        assertThat(resumePoint(again, "w")).isEqualTo(1);
        again.send(batch(1, 1, new float[] {Float.NaN, 0, 0}, ROW));
        again.send(batch(2, 3, ROW));
        Ack ack = again.ackOf(2);
        assertThat(ack.getRejectedSamplesList()).isEmpty();
        assertThat(ack.getDuplicateCount()).isZero();
        assertThat(storedRows()).containsOnlyKeys(2L, 3L);
    }

    private static float[] rowOf(long id) {
        return new float[] {id, id + 0.5f, -id};
    }

    /** Makes the batch of a number. */
    private interface BatchSource {
        SampleBatch.Builder batch(int batchSeq);
    }
}
