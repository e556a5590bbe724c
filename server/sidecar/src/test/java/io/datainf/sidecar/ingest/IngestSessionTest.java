package io.datainf.sidecar.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.RunId;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.run.WriterStream;
import io.datainf.engine.store.StoreEvents;
import io.datainf.sidecar.Await;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Back-pressure, step by step, on a real run. */
class IngestSessionTest {

    private static final int DIMENSION = 10;
    private static final int COST_BYTES = DIMENSION * Float.BYTES + Long.BYTES; // one sample: gradient and id
    private static final IngestEvents NO_EVENTS = new IngestEvents() {
        @Override
        public void streamOpened() {}

        @Override
        public void streamClosed() {}

        @Override
        public void streamHeld(boolean held) {}

        @Override
        public void batchReceived(int sampleCount, long payloadBytes) {}

        @Override
        public void batchAcked(
                int addedCount,
                int replacedCount,
                int duplicateCount,
                int rejectedCount,
                long payloadBytes,
                long nanos) {}

        @Override
        public void batchFailed(int sampleCount, long payloadBytes) {}
    };

    private final ExecutorService executor = Executors.newSingleThreadExecutor();
    private final InFlightBudget budget = new InFlightBudget(10 * COST_BYTES);
    private final RecordingSink sink = new RecordingSink();
    private RunRegistry runs;
    private Run run;

    @BeforeEach
    void open(@TempDir Path dataDirectory) throws Exception {
        runs = RunRegistry.open(dataDirectory, 1 << 30, StoreEvents.NONE);
        BlockLayout layout = BlockLayout.of(List.of(new Block("b0", 1, DIMENSION)));
        run = runs.create(new RunDefinition(new RunId("r1"), layout, ElementType.F32, 0.1, "", Map.of()));
    }

    @AfterEach
    void close() {
        executor.shutdown();
        runs.close();
    }

    private IngestSession session(String writerId, IngestSink to, long maxUnackedBytes) {
        WriterHello hello =
                new WriterHello(writerId, run.definition().layout().hash(), "", ElementType.F32, WriterStream.NEWEST);
        IngestSession session = IngestSession.open(
                runs, run, hello, new IngestContext(budget, 4 << 20, maxUnackedBytes, NO_EVENTS, executor), to);
        session.start();
        return session;
    }

    private static BatchMessage sample(long batchSeq) {
        return fragment(batchSeq, 0, DIMENSION);
    }

    private static BatchMessage fragment(long batchSeq, int from, int to) {
        ByteBuffer gradients = ByteBuffer.allocate((to - from) * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = from; i < to; i++) {
            gradients.putFloat((float) batchSeq + i);
        }
        CRC32C crc = new CRC32C();
        crc.update(gradients.array());
        return new BatchMessage(
                batchSeq,
                new long[] {batchSeq},
                new long[0],
                false,
                (int) crc.getValue(),
                from,
                new ArrayGradients(gradients.array()));
    }

    private void awaitDurable(long samples) {
        Await.until("samples to be durable", () -> run.sampleCount() == samples);
        Await.until("their memory to be free", () -> budget.usedBytes() == 0);
    }

    @Test
    void take_writerDoesNotReadAcks_readingStopsAtTheBound() {
        IngestSession session = session("w", sink, 3 * COST_BYTES);
        sink.setReady(false);
        int taken = 0;
        while (sink.requested() > taken) {
            session.take(sample(++taken));
            awaitDurable(taken);
        }
        assertThat(taken).isEqualTo(3);
        assertThat(sink.acks()).isEmpty();

        sink.setReady(true);
        session.sinkReady();

        assertThat(sink.requested()).isEqualTo(4);
        assertThat(sink.acks()).hasSize(1); // merged
        assertThat(sink.acks().getFirst().durableBatchSeq()).isEqualTo(3);
        assertThat(sink.acks().getFirst().revision()).isEqualTo(3);
        session.abandon();
    }

    @Test
    void take_budgetFull_streamMayStillHaveOneBatchInProgress() {
        budget.add(10 * COST_BYTES);
        IngestSession session = session("w", sink, Long.MAX_VALUE);
        assertThat(sink.requested()).isEqualTo(1);
        session.take(sample(1));
        Await.until("the ack", () -> sink.acks().size() == 1);
        Await.until("the next request", () -> sink.requested() == 2);
        session.abandon();
        Await.until("memory to be free", () -> budget.usedBytes() == 10 * COST_BYTES);
    }

    @Test
    void take_budgetFull_waitsUntilRoomIsMade() {
        IngestSession session = session("w", sink, Long.MAX_VALUE);
        sink.setReady(false); // so that something stays unacked
        session.take(sample(1));
        awaitDurable(1);
        assertThat(sink.requested()).isEqualTo(2);
        budget.add(10 * COST_BYTES);
        session.take(sample(2));
        Await.until("the batch to be durable", () -> run.sampleCount() == 2);
        Await.until("its memory to be free", () -> budget.usedBytes() == 10 * COST_BYTES);
        assertThat(sink.requested()).isEqualTo(2);
        budget.release(10 * COST_BYTES);
        assertThat(sink.requested()).isEqualTo(3);
        session.abandon();
    }

    @Test
    void take_partOfASample_mayAlwaysGoOn() {
        budget.add(10 * COST_BYTES);
        IngestSession session = session("w", sink, 1);
        for (int i = 0; i < DIMENSION - 1; i++) {
            session.take(fragment(1, i, i + 1));
            assertThat(sink.requested()).isEqualTo(i + 2);
        }
        session.take(fragment(1, DIMENSION - 1, DIMENSION));
        Await.until("the ack", () -> sink.acks().size() == 1);
        session.take(fragment(2, 0, 4));
        session.abandon();
        Await.until("memory to be free", () -> budget.usedBytes() == 10 * COST_BYTES);
    }

    @Test
    void halfClose_writerDoesNotReadAcks_sendsTheLastAckAllTheSame() {
        IngestSession session = session("w", sink, Long.MAX_VALUE);
        sink.setReady(false);
        session.take(sample(1));
        session.take(sample(2));
        session.halfClose();
        Await.until("the end", sink::ended);
        assertThat(sink.cause()).isNull();
        assertThat(sink.acks().getLast().durableBatchSeq()).isEqualTo(2);
    }

    @Test
    void take_afterTheEnd_isIgnored() {
        IngestSession session = session("w", sink, Long.MAX_VALUE);
        session.take(sample(5));
        Await.until("the end", sink::ended);
        assertThat(sink.cause()).hasMessageContaining("batch_seq is 5");
        session.take(sample(1));
        session.halfClose();
        session.fail(new IllegalStateException("too late"));
        session.abandon();
        assertThat(run.sampleCount()).isZero();
        assertThat(budget.usedBytes()).isZero();
    }

    @Test
    void abandon_neverCallsTheSinkAgain() {
        IngestSession session = session("w", sink, Long.MAX_VALUE);
        session.take(sample(1));
        session.abandon();
        int requested = sink.requested();
        int acks = sink.acks().size();
        awaitDurable(1);
        session.sinkReady();
        assertThat(sink.requested()).isEqualTo(requested);
        assertThat(sink.acks()).hasSize(acks);
        assertThat(sink.ended()).isFalse();
    }

    @Test
    void fail_afterDrain_takesItsPlaceAndNothingElseDoes() {
        IngestSession session = session("w", sink, Long.MAX_VALUE);
        // One thread flushes, and it is busy: all three come before the end.
        executor.execute(() -> {
            session.drain(new IllegalStateException("drain"));
            session.fail(new IllegalStateException("first failure"));
            session.fail(new IllegalStateException("second failure"));
        });
        Await.until("the end", sink::ended);
        assertThat(sink.cause()).hasMessage("first failure");
    }
}
