package io.datainf.client;

import static io.datainf.client.WriterSamples.DIMENSION;
import static io.datainf.client.WriterSamples.MAX_MESSAGE_BYTES;
import static io.datainf.client.WriterSamples.OPTIONS;
import static io.datainf.client.WriterSamples.ROW_BYTES;
import static io.datainf.client.WriterSamples.RUN;
import static io.datainf.client.WriterSamples.add;
import static io.datainf.client.WriterSamples.assertFailsWith;
import static io.datainf.client.WriterSamples.encoded;
import static io.datainf.client.WriterSamples.gradient;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import io.datainf.proto.v1.Ack;
import io.datainf.proto.v1.ElementType;
import io.datainf.proto.v1.SampleBatch;
import io.grpc.Status;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a writer takes, keeps and counts. */
@Timeout(60)
final class SampleWriterBufferTest {
    /** Room for 4 samples, each a batch. */
    private static final WriterOptions SMALL = OPTIONS.withMaxUnackedBytes(4L * ROW_BYTES);

    private final IngestPeer ingest = new IngestPeer(MAX_MESSAGE_BYTES, 1 << 20);
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

    private static FloatBuffer rows(int count) {
        FloatBuffer rows = FloatBuffer.allocate(count * DIMENSION);
        LongStream.rangeClosed(1, count).forEach(id -> rows.put(gradient(id)));
        return rows.flip();
    }

    private static long[] ids(int count) {
        return LongStream.rangeClosed(1, count).toArray();
    }

    private void assertStored(int count) {
        assertThat(ingest.samples()).hasSize(count);
        ingest.samples().forEach((id, bytes) -> assertThat(bytes).isEqualTo(encoded(gradient(id))));
    }

    @Test
    void block_full_waitsForAcks() throws Exception {
        ingest.holdAcks();
        try (SampleWriter writer = peer.client().openWriter(RUN, SMALL)) {
            Thread trainer = Thread.ofPlatform().start(() -> {
                try {
                    add(writer, 1, 20);
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            });
            InProcessPeer.await("the trainer waits", () -> trainer.getState() == Thread.State.TIMED_WAITING);
            InProcessPeer.await("what fits arrived", () -> ingest.sequences().size() == 4);
            assertThat(writer.progress().bufferedBytes()).isEqualTo(4L * ROW_BYTES);
            ingest.releaseAcks();
            trainer.join();
        }
        assertStored(20);
    }

    @Test
    void block_timeUp_tellsHowManyWereTaken() throws Exception {
        ingest.holdAcks();
        try (SampleWriter writer = peer.client().openWriter(RUN, SMALL.withBlockTimeout(Duration.ofMillis(50)))) {
            assertThatThrownBy(() -> writer.add(ids(6), rows(6)))
                    .hasMessage(
                            "no room within PT0.05S: 96 of 96 bytes wait for acks; 4 samples of this call were taken")
                    .asInstanceOf(type(WriterFullException.class))
                    .satisfies(e -> assertThat(e.acceptedCount()).isEqualTo(4));
            ingest.releaseAcks();
        }
        assertStored(4);
    }

    @Test
    void block_interrupted_throwsAndKeepsWhatItTook() throws Exception {
        ingest.holdAcks();
        try (SampleWriter writer = peer.client().openWriter(RUN, SMALL)) {
            add(writer, 1, 4);
            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> writer.add(5, gradient(5))).isInstanceOf(InterruptedException.class);
            ingest.releaseAcks();
        }
        assertStored(4);
    }

    @Test
    void drop_full_leavesTheCallOutAndCountsIt() throws Exception {
        ingest.holdAcks();
        try (SampleWriter writer = peer.client().openWriter(RUN, SMALL.withPolicy(BufferPolicy.DROP))) {
            writer.add(ids(3), rows(3));
            writer.add(new long[] {8, 9}, rows(2));
            assertThat(writer.progress().droppedCount()).isEqualTo(2);
            add(writer, 4, 4);
            ingest.releaseAcks();
            writer.flush();
            assertThat(writer.progress().addedCount()).isEqualTo(4);
            assertThat(writer.progress().ackedCount()).isEqualTo(4);
        }
        assertStored(4);
    }

    @Test
    void drop_callLargerThanTheBuffer_isTakenWhileNothingElseIs() throws Exception {
        try (SampleWriter writer = peer.client().openWriter(RUN, SMALL.withPolicy(BufferPolicy.DROP))) {
            writer.add(ids(9), rows(9));
        }
        assertStored(9);
    }

    @Test
    void raise_full_takesNothingAndTheWriterGoesOn() throws Exception {
        ingest.holdAcks();
        try (SampleWriter writer = peer.client().openWriter(RUN, SMALL.withPolicy(BufferPolicy.RAISE))) {
            add(writer, 1, 3);
            assertThatThrownBy(() -> writer.add(new long[] {8, 9}, rows(2)))
                    .hasMessage("72 of 96 bytes wait for acks, no room for 2 samples more")
                    .asInstanceOf(type(WriterFullException.class))
                    .satisfies(e -> {
                        assertThat(e.acceptedCount()).isZero();
                        assertThat(e.code()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
                        assertThat(e.reason()).isEqualTo("WRITER_FULL");
                    });
            add(writer, 4, 4);
            ingest.releaseAcks();
        }
        assertStored(4);
    }

    @Test
    void serverLimit_boundsWhatIsOnItsWay() throws Exception {
        peer.close();
        // The peer reports more than that.
        IngestPeer narrow = new IngestPeer(MAX_MESSAGE_BYTES, 2L * ROW_BYTES);
        peer = new InProcessPeer(narrow, narrow.runs());
        narrow.holdAcks();
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 20);
            assertThat(writer.progress().bufferedCount()).isEqualTo(20);
            narrow.releaseAcks();
        }
        narrow.requireNoViolation();
        assertThat(narrow.samples()).hasSize(20);
    }

    @Test
    void add_rowsOfFloats_areStoredWithTheirSteps() throws Exception {
        FloatBuffer rows = ByteBuffer.allocateDirect(6 * ROW_BYTES).asFloatBuffer();
        rows.position(DIMENSION).put(rows(5)).position(DIMENSION);
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            writer.add(ids(5), rows, 10, 11, -12, 13, 14);
        }
        assertThat(rows.position()).isEqualTo(DIMENSION);
        assertStored(5);
        assertThat(ingest.messages().stream().flatMap(batch -> batch.getStepsList().stream()))
                .containsExactly(10L, 11L, -12L, 13L, 14L);
    }

    @Test
    void add_withAndWithoutSteps_doNotShareABatch() throws Exception {
        ingest.holdAcks();
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 1);
            InProcessPeer.await("the first is sent", () -> ingest.sequences().size() == 1);
            writer.add(2, gradient(2), 7);
            writer.add(3, gradient(3));
            ingest.releaseAcks();
        }
        assertThat(ingest.messages().stream().map(SampleBatch::getSampleIdsList))
                .containsExactly(List.of(1L), List.of(2L), List.of(3L));
        assertThat(ingest.messages().stream().map(SampleBatch::getStepsList))
                .containsExactly(List.of(), List.of(7L), List.of());
    }

    @Test
    void add_encodedRows_goOutAsTheyAre() throws Exception {
        ByteBuffer rows = ByteBuffer.allocateDirect(3 * DIMENSION * Short.BYTES).order(ByteOrder.BIG_ENDIAN);
        for (int i = 0; i < rows.capacity(); i++) {
            rows.put((byte) i);
        }
        rows.flip();
        try (SampleWriter writer =
                peer.client().openWriter(RUN, OPTIONS.withElementType(io.datainf.client.ElementType.BF16))) {
            writer.add(ids(3), rows);
            assertThatThrownBy(() -> writer.add(4, gradient(4)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("the writer was opened with BF16");
        }
        assertThat(ingest.opens())
                .singleElement()
                .satisfies(open -> assertThat(open.getElementType()).isEqualTo(ElementType.ELEMENT_TYPE_BF16));
        for (int row = 0; row < 3; row++) {
            ByteBuffer stored =
                    Objects.requireNonNull(ingest.samples().get(row + 1L)).asReadOnlyByteBuffer();
            assertThat(stored).isEqualTo(rows.slice(row * stored.remaining(), stored.remaining()));
        }
    }

    @Test
    void add_badCalls_areRefusedWithASentence() throws Exception {
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            assertThatThrownBy(() -> writer.add(ids(2), rows(1)))
                    .hasMessage("rows has 6 elements for 2 samples: expected 6 for each");
            assertThatThrownBy(() -> writer.add(ids(2), ByteBuffer.allocate(47)))
                    .hasMessage("rows has 47 bytes for 2 samples: expected 24 for each");
            assertThatThrownBy(() -> writer.add(new long[] {5, -1, 7, -1}, rows(4)))
                    .hasMessage("sampleIds holds 18446744073709551615 twice: expected each id once");
            assertThatThrownBy(() -> writer.add(ids(3), rows(3), 1, 2))
                    .hasMessage("steps has 2 entries for 3 samples: expected as many, or none");
            assertThatThrownBy(() -> writer.add(ids(0), rows(0)))
                    .hasMessage("sampleIds is empty: expected at least 1 id");
        }
        assertThat(ingest.messages()).isEmpty();
    }

    @Test
    void add_fromSeveralThreads_storesAll() throws Exception {
        int threads = 4;
        int each = 200;
        try (SampleWriter writer = peer.client().openWriter(RUN, SMALL.withMaxUnackedBytes(40L * ROW_BYTES))) {
            List<Thread> trainers = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                int first = 1 + t * each;
                trainers.add(Thread.ofPlatform().start(() -> {
                    try {
                        add(writer, first, first + each - 1L);
                    } catch (InterruptedException e) {
                        throw new AssertionError(e);
                    }
                }));
            }
            for (Thread trainer : trainers) {
                trainer.join();
            }
        }
        assertStored(threads * each);
    }

    @Test
    void progress_countsWhatAcksSay() throws Exception {
        ingest.setNextAck(Ack.newBuilder()
                .setReplacedCount(1)
                .setDuplicateCount(2)
                .addRejectedSamples(io.datainf.proto.v1.RejectedSample.newBuilder()
                        .setSampleId(2)
                        .setBlockName("b")
                        .setDetail("element 3 is NaN"))
                .build());
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            writer.add(ids(2), rows(2));
            writer.flush();
            assertThat(writer.progress())
                    .isEqualTo(new WriterProgress(
                            2,
                            2L * ROW_BYTES,
                            2,
                            1,
                            2,
                            1,
                            0,
                            0,
                            0,
                            1,
                            2,
                            0,
                            0,
                            List.of(new RejectedSample(2, "b", "element 3 is NaN"))));
        }
    }

    @Test
    void flush_timeUp_saysSoAndNothingIsLost() throws Exception {
        ingest.holdAcks();
        try (SampleWriter writer = peer.client().openWriter(RUN, OPTIONS)) {
            add(writer, 1, 3);
            assertThatThrownBy(() -> writer.flush(Duration.ofMillis(20)))
                    .isInstanceOf(DataInfException.class)
                    .hasMessage("3 samples were not acked within PT0.02S; they are still on their way");
            ingest.releaseAcks();
            assertThat(writer.flush()).isEqualTo(3);
        }
    }

    @Test
    void close_timeUp_endsTheThreadAndSaysWhatMayBeLost() throws Exception {
        ingest.holdAcks();
        SampleWriter writer = peer.client().openWriter(RUN, OPTIONS.withWriterId("close-in-vain"));
        add(writer, 1, 3);
        Thread thread = senderOf("close-in-vain");
        assertThat(thread.isDaemon()).isTrue();
        assertThatThrownBy(() -> writer.close(Duration.ofMillis(20)))
                .isInstanceOf(DataInfException.class)
                .hasMessage("3 samples were not acked within PT0.02S; they may be lost");
        thread.join();
        assertThat(writer.progress().bufferedCount()).isEqualTo(3);
        assertFailsWith(Status.Code.DEADLINE_EXCEEDED, () -> add(writer, 4, 4));
    }

    @Test
    void close_interrupted_endsTheThread() throws Exception {
        ingest.holdAcks();
        SampleWriter writer = peer.client().openWriter(RUN, OPTIONS.withWriterId("interrupted"));
        add(writer, 1, 3);
        Thread thread = senderOf("interrupted");
        Thread.currentThread().interrupt();
        assertFailsWith(Status.Code.CANCELLED, writer::close);
        assertThat(Thread.interrupted()).isTrue();
        thread.join();
    }

    @Test
    void close_interruptedWithEverythingDurable_isNoFailure() throws Exception {
        SampleWriter writer = peer.client().openWriter(RUN, OPTIONS);
        add(writer, 1, 3);
        writer.flush();
        Thread.currentThread().interrupt();
        writer.close();
        assertThat(Thread.interrupted()).isTrue();
    }

    private static Thread senderOf(String writerId) {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("datainf-writer-" + writerId))
                .findFirst()
                .orElseThrow();
    }
}
