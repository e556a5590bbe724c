package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static io.datainf.sidecar.rpc.Wire.batch;
import static io.datainf.sidecar.rpc.Wire.fragment;
import static io.datainf.sidecar.rpc.Wire.message;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import com.google.rpc.Code;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.SampleBatch;
import io.datainf.sidecar.Await;
import java.io.ByteArrayOutputStream;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Writers that lie about lengths, offsets, checksums, ids and batch numbers, beside one that does not. */
class LyingWritersTest {

    private static final int DIMENSION = 3_000;
    private static final int ROUNDS = Integer.getInteger("datainf.rounds", 3);
    private static final float[] ROW = new float[DIMENSION];

    /** What a lie should end with. */
    private record Lie(Code code, String reason, List<byte[]> messages) {}

    @Test
    void ingest_liars_areToldAndDisturbNobody(@TempDir Path dataDirectory) throws Exception {
        try (TestServer server = new TestServer(dataDirectory);
                ExecutorService threads =
                        Executors.newThreadPerTaskExecutor(Thread.ofPlatform().factory())) {
            Run run = server.createRun("r1", DIMENSION);
            AtomicBoolean liarsDone = new AtomicBoolean();
            Future<Integer> honest = threads.submit(() -> streamUntil(server, run, liarsDone));
            try {
                for (int round = 0; round < ROUNDS; round++) {
                    for (Map.Entry<String, Lie> lie : lies().entrySet()) {
                        tell(server, run, lie.getKey(), lie.getValue());
                    }
                }
            } finally {
                liarsDone.set(true); // otherwise nobody would see what failed
            }

            assertThat(honest.get()).isGreaterThan(1);
            assertThat(run.sampleCount()).isEqualTo(honest.get().longValue());
            Await.until("the liars' memory to be free", () -> server.frontend.inFlightBytes() == 0);
        }
    }

    /** Sends batches of one sample until told to stop; returns how many. */
    private static int streamUntil(TestServer server, Run run, AtomicBoolean done) throws Exception {
        TestWriter writer = TestWriter.open(server, run.definition(), "honest");
        int sent = 0;
        while (!done.get()) {
            sent++;
            writer.send(batch(sent, sent, ROW));
            assertThat(writer.ackOf(sent).getDuplicateCount()).isZero();
        }
        writer.halfClose();
        writer.endsWell();
        return sent;
    }

    private static void tell(TestServer server, Run run, String name, Lie lie) throws Exception {
        TestWriter liar = TestWriter.open(server, run.definition(), name);
        for (byte[] message : lie.messages()) {
            liar.send(message);
        }
        assertStatus(liar.fails()).is(lie.code(), lie.reason());
    }

    private static Map<String, Lie> lies() {
        Map<String, Lie> lies = new TreeMap<>();
        byte[] honest = bytes(batch(1, 1 << 20, ROW));
        lies.put("length beyond the message", malformed(Arrays.copyOf(honest, honest.length - 1)));
        lies.put("length short of the gradients", malformed(withGradientLength(100)));
        lies.put("length of 2 GiB", malformed(withGradientLength(Integer.MAX_VALUE)));
        lies.put("length of -1", malformed(withGradientLength(-1)));
        lies.put("one element too many", invalid(bytes(batch(1, 1 << 20, new float[DIMENSION + 1]))));
        lies.put("half an element", invalid(bytes(rehashed(batch(1, 1, ROW), 10))));
        lies.put("no gradients", invalid(bytes(rehashed(batch(1, 1, ROW), 0))));
        lies.put("one row for two ids", invalid(bytes(batch(1, 1 << 20, ROW).addSampleIds(5))));
        lies.put("no ids", invalid(bytes(batch(1, 1, ROW).clearSampleIds())));
        lies.put("an id twice", invalid(bytes(batch(1, 1 << 20, ROW, ROW).setSampleIds(1, 1 << 20))));
        lies.put(
                "two steps for one id",
                invalid(bytes(batch(1, 1 << 20, ROW).addSteps(1).addSteps(2))));
        lies.put("begins in the middle", invalid(bytes(fragment(1, 1, ROW, 1, 2))));
        lies.put("a negative offset", invalid(bytes(batch(1, 1, ROW).setElementOffset(-1))));
        lies.put("a gap between fragments", invalid(cut(0, 10), cut(11, 20)));
        lies.put("fragments that overlap", invalid(cut(0, 10), cut(9, 20)));
        lies.put("a fragment twice", invalid(cut(0, 10), cut(0, 10)));
        lies.put("more than the sample lacks", invalid(cut(0, 10), bytes(overlong(10))));
        lies.put(
                "an offset beyond all",
                invalid(cut(0, 10), bytes(fragment(1, 1, ROW, 10, 20).setElementOffset(Long.MAX_VALUE))));
        lies.put("another id in between", invalid(cut(0, 10), bytes(fragment(1, 2, ROW, 10, 20))));
        lies.put("batch 0", invalid(bytes(batch(0, 1, ROW))));
        lies.put("batch -1", invalid(bytes(batch(-1, 1, ROW))));
        lies.put("batch 2 first", gap(bytes(batch(2, 1, ROW))));
        lies.put("the last batch first", gap(bytes(batch(Long.MAX_VALUE, 1, ROW))));
        lies.put("a checksum", dataLoss(bytes(batch(1, 1, ROW).setCrc32C(7))));
        lies.put(
                "the checksum of a later fragment",
                dataLoss(cut(0, 10), bytes(fragment(1, 1, ROW, 10, DIMENSION).setCrc32C(7))));
        return lies;
    }

    private static Lie invalid(byte[]... messages) {
        return new Lie(Code.INVALID_ARGUMENT, "INVALID_BATCH", List.of(messages));
    }

    private static Lie malformed(byte[]... messages) {
        return new Lie(Code.INVALID_ARGUMENT, "INVALID_FIELD", List.of(messages));
    }

    private static Lie gap(byte[]... messages) {
        return new Lie(Code.FAILED_PRECONDITION, "BATCH_OUT_OF_ORDER", List.of(messages));
    }

    private static Lie dataLoss(byte[]... messages) {
        return new Lie(Code.DATA_LOSS, "CHECKSUM_MISMATCH", List.of(messages));
    }

    private static byte[] cut(int from, int to) {
        return bytes(fragment(1, 1, ROW, from, to));
    }

    /** A fragment that begins rightly and has as many elements as the whole sample. */
    private static SampleBatch.Builder overlong(int from) {
        return batch(1, 1, ROW).setElementOffset(from);
    }

    private static SampleBatch.Builder rehashed(SampleBatch.Builder batch, int byteCount) {
        ByteString gradients = batch.getGradients().substring(0, byteCount);
        return batch.setGradients(gradients).setCrc32C(Wire.crc32c(gradients));
    }

    private static byte[] bytes(SampleBatch.Builder batch) {
        return message(batch).toByteArray();
    }

    /** An honest message but for the length before the gradients. */
    private static byte[] withGradientLength(long length) {
        byte[] fields = batch(1, 1, ROW).clearGradients().build().toByteArray();
        byte[] gradients = new byte[DIMENSION * Float.BYTES];
        ByteArrayOutputStream batch = new ByteArrayOutputStream();
        batch.writeBytes(fields);
        batch.write(WireReader.tag(SampleBatch.GRADIENTS_FIELD_NUMBER, WireReader.LENGTH_DELIMITED));
        batch.writeBytes(varint(length));
        batch.writeBytes(gradients);
        ByteArrayOutputStream request = new ByteArrayOutputStream();
        request.write(WireReader.tag(IngestRequest.BATCH_FIELD_NUMBER, WireReader.LENGTH_DELIMITED));
        request.writeBytes(varint(batch.size()));
        request.writeBytes(batch.toByteArray());
        return request.toByteArray();
    }

    private static byte[] varint(long value) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        long rest = value;
        for (; (rest & ~0x7FL) != 0; rest >>>= 7) {
            out.write((int) (rest & 0x7F) | 0x80);
        }
        out.write((int) rest);
        return out.toByteArray();
    }
}
