package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.SampleBatch;
import io.datainf.sidecar.Await;
import io.datainf.sidecar.ingest.GradientBytes;
import io.datainf.sidecar.security.Quota;
import io.grpc.Detachable;
import java.io.ByteArrayInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.Test;

class IngestMarshallerTest {

    private static final int MESSAGES = 5;
    private static final int GRADIENT_BYTES = 1 << 20;
    private static final RpcLimits SMALL = new RpcLimits(1 << 10, 1, 1, 1, Quota.DEFAULT);

    private final byte[] gradients = new byte[GRADIENT_BYTES];
    private final IngestRequest request;

    IngestMarshallerTest() {
        new Random(1).nextBytes(gradients);
        request = IngestRequest.newBuilder()
                .setBatch(SampleBatch.newBuilder().setBatchSeq(1).setGradients(ByteString.copyFrom(gradients)))
                .build();
    }

    @Test
    void parse_overNetty_borrowsAndGivesBack() throws Exception {
        Queue<byte[]> received = new ConcurrentLinkedQueue<>();
        MarshalledCalls calls = new MarshalledCalls(message -> received.add(read(borrowed(message))));
        try (calls) {
            TestWriter writer = new TestWriter(calls.channel);
            for (int i = 0; i < MESSAGES; i++) {
                writer.send(request);
                assertThat(writer.read()).isNotNull();
            }
            writer.halfClose();
            writer.endsWell();
        }
        assertThat(received)
                .hasSize(MESSAGES)
                .allSatisfy(bytes -> assertThat(bytes).isEqualTo(gradients));
        awaitNoNetworkBytes(calls);
    }

    @Test
    void parse_takerFails_givesBack() throws Exception {
        MarshalledCalls calls = new MarshalledCalls(message -> {
            throw new IllegalStateException("as the test wants it");
        });
        try (calls) {
            TestWriter writer = new TestWriter(calls.channel);
            writer.send(request);
            writer.fails();
        }
        awaitNoNetworkBytes(calls);
    }

    @Test
    void parse_cancelWithinAMessage_givesBack() throws Exception {
        BlockingQueue<IngestMessage> received = new LinkedBlockingQueue<>();
        MarshalledCalls calls = new MarshalledCalls(received::add);
        try (calls) {
            TestWriter writer = new TestWriter(calls.channel);
            writer.send(request);
            writer.send(request);
            received.take();
            writer.cancel();
        }
        awaitNoNetworkBytes(calls);
    }

    @Test
    void keep_afterCallAndConnectionEnded_isReadableUntilClosed() throws Exception {
        BlockingQueue<GradientBytes> kept = new LinkedBlockingQueue<>();
        MarshalledCalls calls =
                new MarshalledCalls(message -> kept.add(borrowed(message).keep()));
        try (calls) {
            TestWriter writer = new TestWriter(calls.channel);
            writer.send(request);
            writer.read();
            writer.cancel();
        }
        GradientBytes bytes = kept.poll(20, TimeUnit.SECONDS);
        assertThat(bytes).isNotNull();
        // They are where the network left them, not in a copy.
        assertThat(calls.networkBytes()).isGreaterThanOrEqualTo(GRADIENT_BYTES);
        assertThat(read(bytes)).isEqualTo(gradients);

        bytes.close();
        bytes.close();
        awaitNoNetworkBytes(calls);
        assertThatThrownBy(() -> bytes.read(MemorySegment.ofArray(new byte[0])))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void keep_oncePartlyRead_keepsTheRest() throws Exception {
        BlockingQueue<GradientBytes> kept = new LinkedBlockingQueue<>();
        MarshalledCalls calls = new MarshalledCalls(message -> {
            GradientBytes borrowed = borrowed(message);
            borrowed.read(MemorySegment.ofArray(new byte[100_000]));
            kept.add(borrowed.keep().keep());
            borrowed.close();
        });
        try (calls) {
            TestWriter writer = new TestWriter(calls.channel);
            writer.send(request);
            writer.read();
            try (GradientBytes bytes = kept.take()) {
                assertThat(read(bytes)).isEqualTo(Arrays.copyOfRange(gradients, 100_000, GRADIENT_BYTES));
            }
        }
        awaitNoNetworkBytes(calls);
    }

    @Test
    void keep_ofLargePieces_pinsThem() {
        LentPieces lent = new LentPieces(4, 4 << 10);

        GradientBytes kept = lent.gradients().keep();

        assertThat(lent.detached).isEqualTo(1);
        assertThat(lent.closed).isZero();
        kept.close();
        assertThat(lent.closed).isEqualTo(1);
    }

    @Test
    void keep_ofSmallPieces_copiesThem() {
        LentPieces lent = new LentPieces(4, (4 << 10) - 1);

        GradientBytes kept = lent.gradients().keep();
        lent.overwrite();

        assertThat(lent.detached).isZero();
        assertThat(read(kept)).containsOnly((byte) 1);
        kept.close();
        assertThatThrownBy(() -> kept.read(MemorySegment.ofArray(new byte[0])))
                .hasMessage("the gradients were kept or closed: expected neither");
    }

    @Test
    void keep_beyondTheLimitOfAllStreams_copies() {
        HeldMemory memory = new HeldMemory(40_000);
        LentPieces first = new LentPieces(4, 8 << 10, memory);
        LentPieces second = new LentPieces(4, 8 << 10, memory);
        LentPieces third = new LentPieces(4, 8 << 10, memory);
        GradientBytes held = first.gradients().keep();

        GradientBytes copied = second.gradients().keep();

        assertThat(second.detached).isZero();
        assertThat(memory.heldBytes()).isEqualTo(32 << 10);
        held.close();
        held.close();
        assertThat(memory.heldBytes()).isZero();
        GradientBytes heldAgain = third.gradients().keep();
        assertThat(third.detached).isEqualTo(1);
        heldAgain.close();
        copied.close();
        assertThat(memory.heldBytes()).isZero();
    }

    @Test
    void parse_streamWithoutByteBuffers_isCopied() {
        IngestMessage message =
                new IngestMarshaller(RpcLimits.DEFAULT).parse(new ByteArrayInputStream(request.toByteArray()));

        try (GradientBytes kept = borrowed(message).keep()) {
            assertThat(read(kept)).isEqualTo(gradients);
        }
    }

    @Test
    void parse_tooLarge_isRefusedWithoutReadingOn() throws Exception {
        ByteArrayInputStream stream = new ByteArrayInputStream(request.toByteArray());

        assertRefused(new IngestMarshaller(SMALL).parse(stream), RequestTooLargeException.class)
                .hasMessage("the message has more than 1024 bytes: expected at most that (max_message_bytes)");
        assertThat(stream.available()).isGreaterThan(GRADIENT_BYTES / 2);
    }

    @Test
    void parse_streamThatFails_isRefused() {
        InputStream broken = new FilterInputStream(InputStream.nullInputStream()) {
            @Override
            public int read(byte[] target, int offset, int length) throws IOException {
                throw new IOException("not in GZIP format");
            }
        };

        assertRefused(new IngestMarshaller(SMALL).parse(broken), InvalidRequestException.class)
                .hasMessage("the message is no IngestRequest: not in GZIP format");
    }

    @Test
    void parse_moreStepsThanIdsCouldBe_isRefusedBeforeTheyFillTheHeap() {
        SampleBatch.Builder batch = SampleBatch.newBuilder();
        for (int i = 0; i < 100_000; i++) {
            batch.addSteps(i % 100);
        }
        byte[] bytes = IngestRequest.newBuilder().setBatch(batch).build().toByteArray();

        assertRefused(
                        new IngestMarshaller(RpcLimits.DEFAULT).parse(new ByteArrayInputStream(bytes)),
                        InvalidRequestException.class)
                .hasMessage("steps has more than 12501 entries: expected one a sample");
    }

    @Test
    void parse_empty_isRefused() {
        IngestMessage message = new IngestMarshaller(SMALL).parse(InputStream.nullInputStream());

        assertRefused(message, InvalidRequestException.class).hasMessageContaining("the message is empty");
    }

    @Test
    void parse_open_isTaken() {
        Open open = Open.newBuilder().setRunId("r").build();
        byte[] bytes = IngestRequest.newBuilder().setOpen(open).build().toByteArray();

        assertThat(new IngestMarshaller(SMALL).parse(new ByteArrayInputStream(bytes)))
                .isEqualTo(new IngestMessage.Opening(open));
    }

    private static AbstractThrowableAssert<?, ? extends Throwable> assertRefused(
            IngestMessage message, Class<? extends RuntimeException> type) {
        assertThat(message).isInstanceOf(IngestMessage.Refused.class);
        return assertThat(((IngestMessage.Refused) message).cause()).isInstanceOf(type);
    }

    private static GradientBytes borrowed(IngestMessage message) {
        return ((IngestMessage.Samples) message).batch().gradients();
    }

    private static byte[] read(GradientBytes bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment target = arena.allocate(bytes.byteCount());
            bytes.read(target);
            return target.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private static void awaitNoNetworkBytes(MarshalledCalls calls) {
        Await.until("the network's memory to be free", () -> calls.networkBytes() == 0);
    }

    /** Pieces of ones that somebody lends. */
    private static final class LentPieces implements Detachable {

        private final List<byte[]> pieces;
        private final HeldMemory memory;
        private int detached;
        private int closed;

        LentPieces(int count, int pieceBytes) {
            this(count, pieceBytes, new HeldMemory(Long.MAX_VALUE));
        }

        LentPieces(int count, int pieceBytes, HeldMemory memory) {
            this.memory = memory;
            byte[] ones = new byte[pieceBytes];
            Arrays.fill(ones, (byte) 1);
            pieces = Stream.generate(ones::clone).limit(count).toList();
        }

        GradientBytes gradients() {
            List<MemorySegment> segments =
                    pieces.stream().map(MemorySegment::ofArray).toList();
            return new MessageGradients(
                    segments, 0, 0, pieces.size() * pieces.getFirst().length, bytes -> memory.hold(this, bytes));
        }

        void overwrite() {
            pieces.forEach(piece -> Arrays.fill(piece, (byte) 2));
        }

        @Override
        public InputStream detach() {
            detached++;
            return new FilterInputStream(InputStream.nullInputStream()) {
                @Override
                public void close() {
                    closed++;
                }
            };
        }
    }
}
