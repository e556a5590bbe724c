package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static io.datainf.sidecar.rpc.Wire.batch;
import static io.datainf.sidecar.rpc.Wire.f32;
import static io.datainf.sidecar.rpc.Wire.fragment;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.protobuf.ByteString;
import com.google.rpc.Code;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunSnapshot;
import io.datainf.proto.v1.Ack;
import io.datainf.proto.v1.DeleteSamplesRequest;
import io.datainf.proto.v1.DeleteSamplesResponse;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.Opened;
import io.datainf.proto.v1.RejectionReason;
import io.datainf.proto.v1.SampleBatch;
import io.datainf.sidecar.Await;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class IngestGrpcServiceTest {

    private TestServer server;
    private Run run;

    @BeforeEach
    void start(@TempDir Path dataDirectory) throws Exception {
        server = new TestServer(dataDirectory);
        run = server.createRun("r1", 2, 1);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private TestWriter open(String writerId) throws Exception {
        return TestWriter.open(server, run.definition(), writerId);
    }

    /** The stored gradient of a sample, [D]. */
    private float[] stored(long sampleId) {
        try (RunSnapshot snapshot = run.snapshot()) {
            int ordinal = snapshot.ordinalsOf(new long[] {sampleId})[0];
            return snapshot.samples().gradients().row(ordinal).toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    private StatusAssert assertFails(TestWriter writer, Code code, String reason) throws Exception {
        return assertStatus(writer.fails()).is(code, reason);
    }

    private StatusAssert assertRefused(SampleBatch.Builder batch, Code code, String reason) throws Exception {
        TestWriter writer = open("w");
        writer.send(batch);
        StatusAssert status = assertFails(writer, code, reason);
        assertThat(run.sampleCount()).isZero();
        return status;
    }

    @Test
    void ingest_opened_tellsLimits() throws Exception {
        TestWriter writer = new TestWriter(server.channel);
        writer.send(Wire.open(run.definition(), "w"));
        Opened opened = writer.opened();
        assertThat(opened.getResumeAfterBatchSeq()).isZero();
        assertThat(opened.getMaxMessageBytes()).isEqualTo(4 << 20);
        assertThat(opened.getMaxUnackedBytes()).isEqualTo(16 << 20);
    }

    @Test
    void ingest_batches_areAckedAndStored() throws Exception {
        TestWriter writer = open("w");
        writer.send(batch(1, 10, new float[] {1, 2, 3}, new float[] {4, 5, 6})
                .addSteps(7)
                .addSteps(8));
        Ack ack = writer.ackOf(1);
        assertThat(ack.getRevision()).isEqualTo(2);
        assertThat(ack.getDuplicateCount()).isZero();
        assertThat(ack.getRejectedSamplesList()).isEmpty();

        writer.send(batch(2, -1, new float[] {7, 8, 9}));
        writer.halfClose();
        assertThat(writer.endsWell()).isEqualTo(2);

        assertThat(run.sampleCount()).isEqualTo(3);
        assertThat(stored(11)).containsExactly(4, 5, 6);
        assertThat(stored(-1)).containsExactly(7, 8, 9);
        Await.until("acked batches to be counted", () -> server.events.ackedBatches.get() == 2);
        Await.until("stored samples to be counted", () -> server.events.storedSamples.get() == 3);
    }

    @Test
    void ingest_halfCloseAtOnce_acksEverythingFirst() throws Exception {
        TestWriter writer = open("w");
        for (int i = 1; i <= 50; i++) {
            writer.send(batch(i, i, new float[] {i, 0, 0}));
        }
        writer.halfClose();
        assertThat(writer.endsWell()).isEqualTo(50);
        assertThat(run.sampleCount()).isEqualTo(50);
    }

    @Test
    void ingest_otherEncodings_areWidened() throws Exception {
        float[] row = {1.5f, -2, 0.25f};
        long id = 0;
        for (ElementType type : ElementType.values()) {
            TestWriter writer = new TestWriter(server.channel);
            writer.send(Wire.open(run.definition(), "w" + type).setElementType(ElementTypes.encode(type)));
            writer.opened();
            writer.send(batch(1, ++id, Wire.encode(type, row), 1));
            writer.ackOf(1);
            assertThat(stored(id)).containsExactly(row);
        }
    }

    @Test
    void ingest_sameSampleAgain_isADuplicate() throws Exception {
        TestWriter writer = open("w");
        writer.send(batch(1, 10, new float[] {1, 2, 3}));
        writer.ackOf(1);
        writer.send(batch(2, 10, new float[] {1, 2, 3}, new float[] {4, 5, 6}));
        Ack ack = writer.ackOf(2);
        assertThat(ack.getDuplicateCount()).isEqualTo(1);
        assertThat(ack.getRevision()).isEqualTo(2);
    }

    @Test
    void ingest_durableBatchAgain_isAckedAndNotApplied() throws Exception {
        TestWriter first = open("w");
        first.send(batch(1, 10, new float[] {1, 2, 3}));
        first.send(batch(2, 11, new float[] {4, 5, 6}));
        first.ackOf(2);
        first.halfClose();
        first.endsWell();

        TestWriter second = new TestWriter(server.channel);
        second.send(Wire.open(run.definition(), "w"));
        assertThat(second.opened().getResumeAfterBatchSeq()).isEqualTo(2);
        second.send(batch(2, 11, new float[] {9, 9, 9}));
        Ack ack = second.ackOf(2);
        assertThat(ack.getRevision()).isEqualTo(2);
        second.send(batch(3, 12, new float[] {7, 8, 9}));
        second.ackOf(3);
        assertThat(stored(11)).containsExactly(4, 5, 6);
        assertThat(run.sampleCount()).isEqualTo(3);
    }

    @Test
    void ingest_notFiniteSamples_areRejectedByNameAndTheRestStored() throws Exception {
        TestWriter writer = open("w");
        writer.send(batch(
                1, 10, new float[] {1, 2, 3}, new float[] {1, Float.NaN, 3}, new float[] {1, 2, Float.POSITIVE_INFINITY
                }));
        Ack ack = writer.ackOf(1);
        assertThat(ack.getRejectedSamplesCount()).isEqualTo(2);
        assertThat(ack.getRejectedSamples(0).getSampleId()).isEqualTo(11);
        assertThat(ack.getRejectedSamples(0).getBlockName()).isEqualTo("b0");
        assertThat(ack.getRejectedSamples(0).getReason()).isEqualTo(RejectionReason.REJECTION_REASON_NAN);
        assertThat(ack.getRejectedSamples(0).getDetail()).contains("element 1", "NaN");
        assertThat(ack.getRejectedSamples(1).getBlockName()).isEqualTo("b1");
        assertThat(ack.getRejectedSamples(1).getReason()).isEqualTo(RejectionReason.REJECTION_REASON_INFINITE);
        assertThat(run.sampleCount()).isEqualTo(1);
        Await.until("rejected samples to be counted", () -> server.events.rejectedSamples.get() == 2);
    }

    @Test
    void ingest_manyRejections_travelInSeveralAcks() throws Exception {
        TestWriter writer = open("w");
        float[][] rows = new float[2_500][];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = new float[] {Float.NaN, 0, 0};
        }
        writer.send(batch(1, 0, rows));
        assertThat(writer.ackOf(1).getRejectedSamplesList())
                .extracting(rejected -> rejected.getSampleId())
                .doesNotHaveDuplicates()
                .hasSize(2_500);
    }

    @Test
    void ingest_fragments_atAnyCut_areJoined() throws Exception {
        TestWriter writer = open("w");
        float[] row = {1, 2, 3};
        writer.send(fragment(1, 1, row, 0, 1).addSteps(5));
        writer.send(fragment(1, 1, row, 1, 3).addSteps(5));
        writer.send(fragment(2, 2, row, 0, 2));
        writer.send(fragment(2, 2, row, 2, 3));
        writer.send(fragment(3, 3, row, 0, 1));
        writer.send(fragment(3, 3, row, 1, 2));
        writer.send(fragment(3, 3, row, 2, 3));
        writer.ackOf(3);
        for (int id = 1; id <= 3; id++) {
            assertThat(stored(id)).containsExactly(row);
        }
        assertThat(server.events.receivedBatches.get()).isEqualTo(3);
    }

    @Test
    void ingest_fragmentThatDoesNotContinue_isInvalid() throws Exception {
        float[] row = {1, 2, 3};
        for (SampleBatch.Builder next : new SampleBatch.Builder[] {
            fragment(1, 1, row, 2, 3),
            fragment(1, 1, row, 0, 1),
            fragment(1, 2, row, 1, 3),
            fragment(2, 1, row, 1, 3),
            fragment(1, 1, row, 1, 3).addSteps(4),
            fragment(1, 1, row, 1, 1),
            batch(1, 1, f32(new float[] {2, 3, 4}), 1).setElementOffset(1),
        }) {
            TestWriter writer = open("w");
            writer.send(fragment(1, 1, row, 0, 1));
            writer.send(next);
            assertFails(writer, Code.INVALID_ARGUMENT, "INVALID_BATCH");
        }
        assertThat(run.sampleCount()).isZero();
    }

    @Test
    void ingest_streamBreaksOffWithinASample_losesItWhole() throws Exception {
        float[] row = {1, 2, 3};
        TestWriter halfClosed = open("w");
        halfClosed.send(fragment(1, 1, row, 0, 2));
        halfClosed.halfClose();
        assertFails(halfClosed, Code.INVALID_ARGUMENT, "INVALID_BATCH").says("8 bytes", "12", "batch 1", "1 samples");

        TestWriter cancelled = open("w");
        cancelled.send(fragment(1, 1, row, 0, 2));
        cancelled.cancel();
        Await.until("the stream to end", () -> server.events.openStreams.get() == 0);

        TestWriter again = open("w");
        again.send(fragment(1, 1, row, 0, 1));
        again.send(fragment(1, 1, row, 1, 3));
        again.ackOf(1);
        assertThat(stored(1)).containsExactly(row);
    }

    @Test
    void ingest_wrongLength_namesGotAndExpectedBytes() throws Exception {
        assertRefused(batch(1, 1, f32(new float[] {1, 2, 3, 4}), 1), Code.INVALID_ARGUMENT, "INVALID_BATCH")
                .says("16 bytes", "12")
                .violates("batch.gradients");
        assertRefused(batch(1, 1, f32(new float[] {1, 2, 3}), 2), Code.INVALID_ARGUMENT, "INVALID_BATCH")
                .says("12 bytes", "24");
        assertRefused(batch(1, 1, ByteString.EMPTY, 1), Code.INVALID_ARGUMENT, "INVALID_BATCH")
                .says("0 bytes", "12");
        assertRefused(batch(1, 1, ByteString.copyFrom(new byte[7]), 1), Code.INVALID_ARGUMENT, "INVALID_BATCH")
                .says("7 bytes", "multiple of 4");
    }

    @Test
    void ingest_fieldsOutOfRange_areInvalid() throws Exception {
        ByteString row = f32(new float[] {1, 2, 3});
        assertRefused(batch(1, 1, row, 0), Code.INVALID_ARGUMENT, "INVALID_BATCH")
                .violates("batch.sample_ids");
        assertRefused(batch(0, 1, row, 1), Code.INVALID_ARGUMENT, "INVALID_BATCH")
                .violates("batch.batch_seq");
        assertRefused(batch(1, 1, row, 1).addSteps(1).addSteps(2), Code.INVALID_ARGUMENT, "INVALID_BATCH")
                .violates("batch.steps");
        assertRefused(batch(1, 1, row, 1).setElementOffset(-1), Code.INVALID_ARGUMENT, "INVALID_BATCH")
                .violates("batch.element_offset");
        SampleBatch.Builder twice = batch(1, 7, new float[] {1, 2, 3}, new float[] {4, 5, 6});
        assertRefused(twice.setSampleIds(1, 7), Code.INVALID_ARGUMENT, "INVALID_BATCH")
                .says("7", "twice");
    }

    @Test
    void ingest_wrongCrc_isDataLossAndWhatCameBeforeIsAcked() throws Exception {
        TestWriter writer = open("w");
        writer.send(batch(1, 1, new float[] {1, 2, 3}));
        writer.send(batch(2, 2, new float[] {1, 2, 3}).setCrc32C(0xbad));
        writer.send(batch(3, 3, new float[] {1, 2, 3}));
        writer.ackOf(1);
        assertFails(writer, Code.DATA_LOSS, "CHECKSUM_MISMATCH").says("batch 2", "0x00000bad");
        assertThat(run.sampleCount()).isEqualTo(1);
    }

    @Test
    void ingest_gapInBatchSeq_isFailedPrecondition() throws Exception {
        assertRefused(batch(2, 1, new float[] {1, 2, 3}), Code.FAILED_PRECONDITION, "BATCH_OUT_OF_ORDER")
                .says("2", "expected 1");
        TestWriter fragmented = open("w");
        fragmented.send(fragment(5, 1, new float[] {1, 2, 3}, 0, 1));
        assertFails(fragmented, Code.FAILED_PRECONDITION, "BATCH_OUT_OF_ORDER").says("5", "expected 1");
    }

    @Test
    void ingest_badOpen_isRefused() throws Exception {
        assertOpenFails(Wire.message(Wire.open(run.definition(), "")), Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .violates("open.writer_id");
        assertOpenFails(
                        Wire.message(Wire.open(run.definition(), "w".repeat(129))),
                        Code.INVALID_ARGUMENT,
                        "INVALID_FIELD")
                .violates("open.writer_id")
                .says("129");
        assertOpenFails(
                        Wire.message(Wire.open(run.definition(), "w").setElementTypeValue(9)),
                        Code.INVALID_ARGUMENT,
                        "INVALID_FIELD")
                .violates("open.element_type");
        assertOpenFails(
                        Wire.message(Wire.open(run.definition(), "w").setRunId("no such")),
                        Code.INVALID_ARGUMENT,
                        "INVALID_FIELD")
                .violates("open.run_id");
        assertOpenFails(Wire.message(Wire.open(run.definition(), "w").setRunId("nope")), Code.NOT_FOUND, "UNKNOWN_RUN")
                .says("nope");
        assertOpenFails(
                        Wire.message(Wire.open(run.definition(), "w").setLayoutHash("beef")),
                        Code.FAILED_PRECONDITION,
                        "LAYOUT_HASH_MISMATCH")
                .says("beef", run.definition().layout().hash());
        assertOpenFails(
                        Wire.message(Wire.open(run.definition(), "w").setCheckpoint("step-9")),
                        Code.FAILED_PRECONDITION,
                        "CHECKPOINT_MISMATCH")
                .says("step-9", "''");
        assertOpenFails(Wire.message(batch(1, 1, new float[] {1, 2, 3})), Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .says("expected open");
        assertOpenFails(IngestRequest.getDefaultInstance(), Code.INVALID_ARGUMENT, "INVALID_FIELD");
    }

    private StatusAssert assertOpenFails(IngestRequest first, Code code, String reason) throws Exception {
        TestWriter writer = new TestWriter(server.channel);
        writer.send(first);
        return assertFails(writer, code, reason);
    }

    @Test
    void ingest_endBeforeOpen_isInvalid() throws Exception {
        TestWriter writer = new TestWriter(server.channel);
        writer.halfClose();
        assertFails(writer, Code.INVALID_ARGUMENT, "INVALID_FIELD").says("expected open");
    }

    @Test
    void ingest_openTwice_isInvalid() throws Exception {
        TestWriter writer = open("w");
        writer.send(Wire.open(run.definition(), "w"));
        assertFails(writer, Code.INVALID_ARGUMENT, "INVALID_FIELD").violates("open");
    }

    @Test
    void ingest_oversizedMessage_namesBothSizes() throws Exception {
        Run wide = server.createRun("wide", 2 << 20);
        TestWriter writer = TestWriter.open(server, wide.definition(), "w");
        // Over our limit, below the transport's.
        writer.send(fragment(1, 1, new float[2 << 20], 0, (4 << 20) / 4));
        assertFails(writer, Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")
                .says(Integer.toString(4 << 20))
                .mayNotBeRetried();
    }

    @Test
    void ingest_sampleOfManyMessages_isStored() throws Exception {
        int dimension = 6 << 20;
        Run wide = server.createRun("wide", dimension);
        TestWriter writer = TestWriter.open(server, wide.definition(), "w");
        float[] row = new float[dimension];
        for (int i = 0; i < dimension; i++) {
            row[i] = i % 1_000;
        }
        int step = 1_000_003; // 4,000,012 bytes, off every boundary
        for (int from = 0; from < dimension; from += step) {
            writer.send(fragment(1, 1, row, from, Math.min(dimension, from + step)));
        }
        writer.ackOf(1);
        try (RunSnapshot snapshot = wide.snapshot()) {
            assertThat(snapshot.samples().gradients().row(0).toArray(ValueLayout.JAVA_FLOAT))
                    .isEqualTo(row);
        }
    }

    @Test
    void ingest_secondOpenOfAWriter_endsTheFirst() throws Exception {
        TestWriter first = open("w");
        first.send(batch(1, 1, new float[] {1, 2, 3}));
        first.ackOf(1);
        TestWriter second = new TestWriter(server.channel);
        second.send(Wire.open(run.definition(), "w"));
        assertThat(second.opened().getResumeAfterBatchSeq()).isEqualTo(1);
        assertFails(first, Code.ABORTED, "WRITER_SUPERSEDED").says("'w'").mayNotBeRetried();
        second.send(batch(2, 2, new float[] {1, 2, 3}));
        second.ackOf(2);
    }

    @Test
    void ingest_lateOpenOfAnEarlierStream_endsThatOneAlone() throws Exception {
        TestWriter successor = new TestWriter(server.channel);
        successor.send(Wire.open(run.definition(), "w").setWriterInstance(9).setStreamNumber(2));
        successor.opened();

        TestWriter late = new TestWriter(server.channel);
        late.send(Wire.open(run.definition(), "w").setWriterInstance(9).setStreamNumber(1));

        assertFails(late, Code.ABORTED, "WRITER_SUPERSEDED").says("'w'").mayNotBeRetried();
        successor.send(batch(1, 1, new float[] {1, 2, 3}));
        successor.ackOf(1);
    }

    @Test
    void ingest_cancel_keepsWhatWasTakenWhole() throws Exception {
        TestWriter writer = open("w");
        writer.send(batch(1, 1, new float[] {1, 2, 3}));
        writer.ackOf(1);
        writer.send(batch(2, 2, new float[] {1, 2, 3}));
        writer.cancel();
        Await.until("the stream to end", () -> server.events.openStreams.get() == 0);

        TestWriter again = new TestWriter(server.channel);
        again.send(Wire.open(run.definition(), "w"));
        long resume = again.opened().getResumeAfterBatchSeq();
        assertThat(resume).isBetween(1L, 2L);
        again.send(batch(2, 2, new float[] {1, 2, 3}));
        again.ackOf(2);
        assertThat(run.sampleCount()).isEqualTo(2);
    }

    @Test
    void ingest_memoryFull_goesOn(@TempDir Path other) throws Exception {
        try (TestServer small = new TestServer(other, RpcLimits.DEFAULT, TestServer.QUERY_LIMITS, 1 << 10)) {
            Run wide = small.createRun("wide", 1 << 10);
            TestWriter writer = TestWriter.open(small, wide.definition(), "w");
            writer.send(batch(1, 1, new float[1 << 10]));
            writer.ackOf(1);
            assertThat(wide.sampleCount()).isEqualTo(1);
            assertThat(wide.residentCount()).isZero();
        }
    }

    private DeleteSamplesResponse delete(long... sampleIds) throws Exception {
        DeleteSamplesRequest.Builder request = DeleteSamplesRequest.newBuilder().setRunId("r1");
        for (long sampleId : sampleIds) {
            request.addSampleIds(sampleId);
        }
        return server.ingestService().deleteSamples(request.build());
    }

    @Test
    void deleteSamples_heldAndAbsent_areCounted() throws Exception {
        TestWriter writer = open("w");
        writer.send(batch(1, 10, new float[] {1, 2, 3}, new float[] {4, 5, 6}));
        writer.ackOf(1);

        DeleteSamplesResponse first = delete(10, 99, 10);
        assertThat(first.getDeletedCount()).isEqualTo(1);
        assertThat(first.getAbsentCount()).isEqualTo(2);
        assertThat(first.getRevision()).isEqualTo(3);
        assertThat(run.sampleCount()).isEqualTo(1);
        DeleteSamplesResponse again = delete(10);
        assertThat(again.getDeletedCount()).isZero();
        assertThat(again.getRevision()).isEqualTo(3);
    }

    @Test
    void deleteSamples_badRequests_areNamed() {
        assertStatus(catchThrowable(() -> delete()))
                .is(Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .says("sample_ids has 0 entries");
        assertStatus(catchThrowable(() -> server.ingestService()
                        .deleteSamples(DeleteSamplesRequest.newBuilder()
                                .setRunId("none")
                                .addSampleIds(1)
                                .build())))
                .is(Code.NOT_FOUND, "UNKNOWN_RUN");
    }

    @Test
    void ingest_deletedSample_comesBackOnlyIfAllowed() throws Exception {
        TestWriter writer = open("w");
        writer.send(batch(1, 10, new float[] {1, 2, 3}));
        writer.ackOf(1);
        delete(10);

        writer.send(batch(2, 10, new float[] {7, 8, 9}));
        assertFails(writer, Code.FAILED_PRECONDITION, "SAMPLE_DELETED").says("sample 10 was deleted");
        assertThat(run.sampleCount()).isZero();
        TestWriter second = open("w");
        second.send(batch(2, 10, new float[] {7, 8, 9}).setAllowDeleted(true));
        assertThat(second.ackOf(2).getReplacedCount()).isZero();
        assertThat(stored(10)).containsExactly(7, 8, 9);
        second.send(batch(3, 10, new float[] {1, 1, 1}));
        assertThat(second.ackOf(3).getReplacedCount()).isEqualTo(1);
    }
}
