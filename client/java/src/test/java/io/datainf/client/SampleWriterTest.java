package io.datainf.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.datainf.proto.v1.RejectedSample;
import io.datainf.proto.v1.SampleBatch;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class SampleWriterTest {
    private static final int DIMENSION = IngestPeer.DIMENSION;
    private static final int MAX_MESSAGE_BYTES = 4_096;
    private static final RunDescription RUN =
            new RunDescription("run", List.of(new Block("b", 2, 3)), "step-7", "hash", DIMENSION, 0, 0, 0, List.of());

    /** Two samples a batch: each takes its gradient and an id, and a message some more. */
    private static final WriterOptions OPTIONS = WriterOptions.defaults()
            .withWriterId("w")
            .withBatchBytes(PendingBatch.MESSAGE_OVERHEAD_BYTES + 2 * (DIMENSION * Float.BYTES + Long.BYTES));

    private static final long BATCH_BYTES = 2L * DIMENSION * Float.BYTES;

    private IngestPeer ingest = new IngestPeer(MAX_MESSAGE_BYTES, 1 << 20);
    private InProcessPeer peer;

    @BeforeEach
    void start() throws IOException {
        peer = new InProcessPeer(ingest);
    }

    @AfterEach
    void stop() {
        peer.close();
        ingest.requireNoViolation();
    }

    private void restartWith(IngestPeer other) throws IOException {
        peer.close();
        ingest = other;
        peer = new InProcessPeer(other);
    }

    private static float[] gradient(long id) {
        float[] gradient = new float[DIMENSION];
        for (int j = 0; j < DIMENSION; j++) {
            gradient[j] = id + j / 8f;
        }
        return gradient;
    }

    private static ByteString encoded(float[] gradient) {
        ByteBuffer bytes = ByteBuffer.allocate(gradient.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(gradient);
        return ByteString.copyFrom(bytes);
    }

    private static void add(SampleWriter writer, long first, long last) throws InterruptedException {
        for (long id = first; id <= last; id++) {
            writer.add(id, gradient(id));
        }
    }

    private void assertStored(long first, long last) {
        assertThat(ingest.samples().keySet())
                .containsExactlyInAnyOrderElementsOf(
                        LongStream.rangeClosed(first, last).boxed().toList());
        ingest.samples().forEach((id, bytes) -> assertThat(bytes).isEqualTo(encoded(gradient(id))));
        assertThat(ingest.sequences()).doesNotHaveDuplicates().isSorted();
    }

    @Test
    void add_fullBatches_arriveInOrderWithTheirSamples() throws Exception {
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 5);
        }
        assertStored(1, 5);
        assertThat(ingest.messages().stream().map(SampleBatch::getSampleIdsList))
                .containsExactly(List.of(1L, 2L), List.of(3L, 4L), List.of(5L));
        InProcessPeer.await("the stream is completed", () -> ingest.completedStreams() == 1);
    }

    @Test
    void open_sendsWhatTheRunIs() throws Exception {
        peer.client().openWriter(RUN, OPTIONS).close();
        assertThat(ingest.opens()).singleElement().satisfies(open -> {
            assertThat(open.getRunId()).isEqualTo("run");
            assertThat(open.getWriterId()).isEqualTo("w");
            assertThat(open.getLayoutHash()).isEqualTo("hash");
            assertThat(open.getCheckpoint()).isEqualTo("step-7");
        });
    }

    @Test
    void open_knownWriter_goesOnAfterItsLastBatch() throws Exception {
        ingest.setDurable(41);
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 2);
        }
        assertThat(ingest.sequences()).containsExactly(42L);
    }

    @Test
    void open_refused_throwsCodeAndReason() {
        ingest.failOpen(status(
                Status.Code.NOT_FOUND,
                Any.pack(ErrorInfo.newBuilder().setReason("RUN_NOT_FOUND").build())));
        assertThatThrownBy(() -> peer.client().openWriter(RUN, OPTIONS))
                .asInstanceOf(type(DataInfException.class))
                .satisfies(e -> {
                    assertThat(e.code()).isEqualTo(Status.Code.NOT_FOUND);
                    assertThat(e.reason()).isEqualTo("RUN_NOT_FOUND");
                    assertThat(e).hasMessageContaining("NOT_FOUND, RUN_NOT_FOUND");
                });
    }

    @Test
    void open_unavailableAtFirst_triesAgain() throws Exception {
        ingest.failOpen(status(Status.Code.UNAVAILABLE));
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 1);
        }
        assertStored(1, 1);
    }

    @Test
    void flush_returnsTheRevisionOfTheLastAck() throws Exception {
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            assertThat(writer.flush()).isZero();
            add(writer, 1, 3);
            assertThat(writer.flush()).isEqualTo(3);
            assertStored(1, 3);
        }
    }

    @Test
    void add_sampleLargerThanAMessage_travelsInFragments() throws Exception {
        // Room for 3 of 6 elements.
        int limit = PendingBatch.MESSAGE_OVERHEAD_BYTES + Long.BYTES + 3 * Float.BYTES;
        restartWith(new IngestPeer(limit, 1 << 20));
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 2);
        }
        assertStored(1, 2);
        assertThat(ingest.messages().stream().map(SampleBatch::getElementOffset))
                .containsExactly(0L, 3L, 0L, 3L);
        assertThat(ingest.messages().stream().map(SampleBatch::getBatchSeq)).containsExactly(1L, 1L, 2L, 2L);
    }

    @Test
    void add_repeatedId_beginsANewBatch() throws Exception {
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            writer.add(1, gradient(9));
            writer.add(1, gradient(1));
        }
        assertStored(1, 1);
        assertThat(ingest.sequences()).containsExactly(1L, 2L);
    }

    @Test
    void add_wrongLength_isRefused() throws Exception {
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            assertThatThrownBy(() -> writer.add(3, new float[5]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("the gradient of sample 3 has 5 elements: expected 6");
        }
        assertThat(ingest.messages()).isEmpty();
    }

    @Test
    void unavailable_batchNotStored_isSentAgain() throws Exception {
        ingest.failBatch(2, false, status(Status.Code.UNAVAILABLE));
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 9);
            writer.flush();
            assertThat(writer.progress().reconnectCount()).isEqualTo(1);
        }
        assertStored(1, 9);
    }

    @Test
    void unavailable_batchStoredButNotAcked_isNotSentAgain() throws Exception {
        ingest.failBatch(2, true, status(Status.Code.UNAVAILABLE));
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 9);
        }
        assertStored(1, 9);
        assertThat(ingest.messages().stream().filter(batch -> batch.getBatchSeq() == 2))
                .hasSize(1);
    }

    @Test
    void unavailable_inTheMiddleOfFragments_sendsTheWholeSampleAgain() throws Exception {
        int limit = PendingBatch.MESSAGE_OVERHEAD_BYTES + Long.BYTES + 3 * Float.BYTES;
        restartWith(new IngestPeer(limit, 1 << 20).failBatch(1, false, status(Status.Code.UNAVAILABLE)));
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 2);
        }
        assertStored(1, 2);
    }

    @Test
    void dataLoss_batchIsSentAgain() throws Exception {
        ingest.failBatch(1, false, status(Status.Code.DATA_LOSS));
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 4);
        }
        assertStored(1, 4);
    }

    @Test
    void resourceExhausted_withRetryInfo_isTriedAgain() throws Exception {
        RetryInfo soon = RetryInfo.newBuilder()
                .setRetryDelay(com.google.protobuf.Duration.newBuilder().setNanos(1_000_000))
                .build();
        ingest.failBatch(1, false, status(Status.Code.RESOURCE_EXHAUSTED, Any.pack(soon)));
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 4);
        }
        assertStored(1, 4);
    }

    @Test
    void resourceExhausted_withoutRetryInfo_isFinal() throws Exception {
        ingest.failBatch(1, false, status(Status.Code.RESOURCE_EXHAUSTED));
        SampleWriter writer = peer.client().openWriter(RUN, OPTIONS);
        add(writer, 1, 2);
        assertFailsWith(Status.Code.RESOURCE_EXHAUSTED, writer::flush);
        assertFailsWith(Status.Code.RESOURCE_EXHAUSTED, writer::close);
    }

    @Test
    void aborted_isFinalForEveryLaterCall() throws Exception {
        ingest.failBatch(
                1,
                false,
                status(
                        Status.Code.ABORTED,
                        Any.pack(ErrorInfo.newBuilder()
                                .setReason("WRITER_SUPERSEDED")
                                .build())));
        SampleWriter writer = peer.client().openWriter(RUN, OPTIONS);
        add(writer, 1, 2);
        assertFailsWith(Status.Code.ABORTED, writer::flush);
        // A full batch has no way out.
        assertFailsWith(Status.Code.ABORTED, () -> add(writer, 3, 5));
        assertFailsWith(Status.Code.ABORTED, writer::close);
        writer.close();
        assertThat(ingest.opens()).hasSize(1);
        assertThat(ingest.samples()).isEmpty();
    }

    @Test
    void reconnect_serverHoldsLessThanItAcked_isFinal() throws Exception {
        SampleWriter writer = peer.client().openWriter(RUN, OPTIONS);
        add(writer, 1, 4);
        writer.flush();
        ingest.setDurable(1);
        ingest.failBatch(3, false, status(Status.Code.UNAVAILABLE));
        add(writer, 5, 6);
        assertThatThrownBy(writer::flush)
                .isInstanceOf(DataInfException.class)
                .hasMessageContaining("holds batches of this writer up to 1 but had acked 2");
        assertFailsWith(Status.Code.DATA_LOSS, writer::close);
    }

    @Test
    void add_tooManyBytesUnacked_waitsForAcks() throws Exception {
        restartWith(new IngestPeer(MAX_MESSAGE_BYTES, 2 * BATCH_BYTES));
        ingest.holdAcks();
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            Thread trainer = Thread.ofPlatform().start(() -> {
                try {
                    add(writer, 1, 20);
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            });
            InProcessPeer.await("the trainer waits", () -> trainer.getState() == Thread.State.WAITING);
            InProcessPeer.await("two batches arrived", () -> ingest.sequences().size() == 2);
            assertThat(writer.progress().unackedBytes()).isEqualTo(2 * BATCH_BYTES);
            ingest.releaseAcks();
            trainer.join();
        }
        assertStored(1, 20);
    }

    @Test
    void add_interrupted_throwsAndKeepsWhatItTook() throws Exception {
        restartWith(new IngestPeer(MAX_MESSAGE_BYTES, BATCH_BYTES));
        ingest.holdAcks();
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 4);
            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> writer.add(5, gradient(5))).isInstanceOf(InterruptedException.class);
            ingest.releaseAcks();
        }
        assertStored(1, 4);
    }

    @Test
    void progressTimeout_noAck_fails() throws Exception {
        ingest.holdAcks();
        SampleWriter writer = peer.client().openWriter(RUN, OPTIONS.withProgressTimeout(Duration.ofMillis(50)));
        add(writer, 1, 2);
        assertThatThrownBy(writer::flush)
                .isInstanceOf(DataInfException.class)
                .hasMessageContaining("no ack within PT0.05S: 48 bytes of gradients are not acked");
        assertFailsWith(Status.Code.DEADLINE_EXCEEDED, writer::close);
    }

    @Test
    void progress_namesRejectedSamples() throws Exception {
        ingest.rejectNext(RejectedSample.newBuilder()
                .setSampleId(2)
                .setBlockName("b")
                .setDetail("element 3 is NaN")
                .build());
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 2);
            writer.flush();
            assertThat(writer.progress().rejectedCount()).isEqualTo(1);
            assertThat(writer.progress().rejectedSamples())
                    .containsExactly(new io.datainf.client.RejectedSample(2, "b", "element 3 is NaN"));
        }
    }

    @Test
    void close_twice_isHarmlessAndFurtherUseIsRefused() throws Exception {
        SampleWriter writer = peer.client().openWriter(RUN, OPTIONS);
        writer.close();
        writer.close();
        assertThatThrownBy(() -> writer.add(1, gradient(1)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("the writer is closed");
    }

    private interface Action {
        void run() throws Exception;
    }

    private static void assertFailsWith(Status.Code code, Action action) {
        assertThatThrownBy(action::run)
                .asInstanceOf(type(DataInfException.class))
                .extracting(DataInfException::code)
                .isEqualTo(code);
    }

    private static Throwable status(Status.Code code, Any... details) {
        return StatusProto.toStatusRuntimeException(com.google.rpc.Status.newBuilder()
                .setCode(code.value())
                .setMessage("as the test wants it")
                .addAllDetails(List.of(details))
                .build());
    }
}
