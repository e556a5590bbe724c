package io.datainf.client;

import static io.datainf.client.WriterSamples.MAX_MESSAGE_BYTES;
import static io.datainf.client.WriterSamples.OPTIONS;
import static io.datainf.client.WriterSamples.RUN;
import static io.datainf.client.WriterSamples.add;
import static io.datainf.client.WriterSamples.assertFailsWith;
import static io.datainf.client.WriterSamples.encoded;
import static io.datainf.client.WriterSamples.gradient;
import static io.datainf.client.WriterSamples.status;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.datainf.proto.v1.SampleBatch;
import io.grpc.Status;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class SampleWriterTest {
    /** Room for 3 of 6 elements. */
    private static final int FRAGMENT_MESSAGE_BYTES =
            BatchShape.MESSAGE_OVERHEAD_BYTES + BatchShape.SAMPLE_OVERHEAD_BYTES + 3 * Float.BYTES;

    private IngestPeer ingest = new IngestPeer(MAX_MESSAGE_BYTES, 1 << 20);
    private InProcessPeer peer;

    @BeforeEach
    void start() throws IOException {
        peer = new InProcessPeer(ingest, ingest.runs());
    }

    @AfterEach
    void stop() {
        peer.close();
        ingest.requireNoViolation();
    }

    private void restartWith(IngestPeer other) throws IOException {
        peer.close();
        ingest = other;
        peer = new InProcessPeer(other, other.runs());
    }

    private void assertStored(long first, long last) {
        assertThat(ingest.samples().keySet())
                .containsExactlyInAnyOrderElementsOf(
                        LongStream.rangeClosed(first, last).boxed().toList());
        ingest.samples().forEach((id, bytes) -> assertThat(bytes).isEqualTo(encoded(gradient(id))));
        assertThat(ingest.sequences()).doesNotHaveDuplicates().isSorted();
    }

    @Test
    void add_othersOnTheirWay_sendsFullBatchesInOrder() throws Exception {
        ingest.holdAcks();
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 1);
            InProcessPeer.await(
                    "the first is not kept waiting", () -> ingest.sequences().size() == 1);
            add(writer, 2, 6);
            ingest.releaseAcks();
        }
        assertStored(1, 6);
        assertThat(ingest.messages().stream().map(SampleBatch::getSampleIdsList))
                .containsExactly(List.of(1L), List.of(2L, 3L), List.of(4L, 5L), List.of(6L));
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
    void open_noServer_failsWithTheReasonWhenTheTimeIsUp() {
        WriterOptions impatient = OPTIONS.withProgressTimeout(Duration.ofSeconds(2));
        try (DataInfClient client = DataInfClient.connect("127.0.0.1:1")) {
            assertThatThrownBy(() -> client.openWriter(RUN, impatient))
                    .hasMessageContaining("127.0.0.1:1")
                    .asInstanceOf(type(DataInfException.class))
                    .satisfies(e -> assertThat(e.code()).isEqualTo(Status.Code.UNAVAILABLE));
        }
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
        restartWith(new IngestPeer(FRAGMENT_MESSAGE_BYTES, 1 << 20));
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
    void unavailable_lastAckLost_flushKnowsTheRevision() throws Exception {
        ingest.failBatch(1, true, status(Status.Code.UNAVAILABLE));
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 1);
            assertThat(writer.flush()).isEqualTo(1);
            assertThat(writer.progress().recoveredBatchCount()).isEqualTo(1);
        }
    }

    @Test
    void unavailable_inTheMiddleOfFragments_sendsTheWholeSampleAgain() throws Exception {
        restartWith(
                new IngestPeer(FRAGMENT_MESSAGE_BYTES, 1 << 20).failBatch(1, false, status(Status.Code.UNAVAILABLE)));
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
        add(writer, 1, 1);
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
        add(writer, 1, 1);
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
        long acked = writer.progress().durableBatchSequence();
        ingest.setDurable(1);
        ingest.failBatch(acked + 1, false, status(Status.Code.UNAVAILABLE));
        add(writer, 5, 5);
        assertThatThrownBy(writer::flush)
                .isInstanceOf(DataInfException.class)
                .hasMessageContaining("goes on after batch 1, but this writer has acks up to " + acked);
        assertFailsWith(Status.Code.FAILED_PRECONDITION, writer::close);
    }

    @Test
    void reconnect_smallerMessages_cutsASampleAnew() throws Exception {
        restartWith(new IngestPeer(WriterSamples.messageOf(1), 1 << 20));
        ingest.failBatch(1, false, status(Status.Code.UNAVAILABLE)).limitMessages(FRAGMENT_MESSAGE_BYTES);
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 3);
        }
        assertStored(1, 3);
    }

    @Test
    void reconnect_smallerMessages_cannotCutABatch() throws Exception {
        ingest.holdAcks();
        SampleWriter writer = peer.client().openWriter(RUN, OPTIONS);
        add(writer, 1, 1);
        InProcessPeer.await("the first is sent", () -> ingest.sequences().size() == 1);
        ingest.failBatch(2, false, status(Status.Code.UNAVAILABLE)).limitMessages(FRAGMENT_MESSAGE_BYTES);
        add(writer, 2, 3);
        assertThatThrownBy(writer::flush)
                .isInstanceOf(DataInfException.class)
                .hasMessageContaining("the server now takes messages of at most 94 bytes");
        assertFailsWith(Status.Code.FAILED_PRECONDITION, writer::close);
    }

    @Test
    void progressTimeout_noAck_fails() throws Exception {
        ingest.holdAcks();
        SampleWriter writer = peer.client().openWriter(RUN, OPTIONS.withProgressTimeout(Duration.ofMillis(500)));
        add(writer, 1, 2);
        assertThatThrownBy(writer::flush)
                .isInstanceOf(DataInfException.class)
                .hasMessageContaining("2 samples were not acked within PT0.5S; the server does not answer");
        assertFailsWith(Status.Code.DEADLINE_EXCEEDED, writer::close);
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
}
