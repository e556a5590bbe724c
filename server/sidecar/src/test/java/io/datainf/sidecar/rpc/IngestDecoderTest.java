package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.SampleBatch;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Random messages have fresh seeds; a failure prints its own, and -Ddatainf.seed=N repeats it. -Ddatainf.rounds=N makes more
 * of them.
 */
class IngestDecoderTest {

    private static final int ROUNDS = Integer.getInteger("datainf.rounds", 4_000);
    private static final int MUTANTS = 4;

    @Test
    void decode_validMessages_agreesWithProtobuf() {
        long first = Long.getLong("datainf.seed", System.nanoTime());
        for (long seed = first; seed < first + ROUNDS; seed++) {
            Random random = new Random(seed);
            RandomWire wire = new RandomWire(random);
            byte[] bytes = wire.request();
            checkWithSeed(seed, bytes, wire.cuts(bytes.length));
        }
    }

    @Test
    void decode_mutatedMessages_agreesWithProtobuf() {
        long first = Long.getLong("datainf.seed", System.nanoTime());
        for (long seed = first; seed < first + ROUNDS; seed++) {
            Random random = new Random(seed);
            RandomWire wire = new RandomWire(random);
            byte[] valid = wire.request();
            for (int i = 0; i < MUTANTS; i++) {
                byte[] bytes = wire.mutated(valid);
                checkWithSeed(seed, bytes, wire.cuts(bytes.length));
            }
        }
    }

    @Test
    void decode_messageCutOffAnywhere_agreesWithProtobuf() {
        byte[] whole = IngestRequest.newBuilder()
                .setBatch(SampleBatch.newBuilder()
                        .setBatchSeq(300)
                        .addSampleIds(-1)
                        .addSampleIds(2)
                        .addSteps(70_000)
                        .addSteps(-7)
                        .setCrc32C(5)
                        .setElementOffset(200)
                        .setAllowDeleted(true)
                        .setGradients(ByteString.copyFrom(new byte[200])))
                .build()
                .toByteArray();
        int[] everywhere = IntStream.range(1, whole.length).toArray();
        for (int length = 0; length <= whole.length; length++) {
            byte[] bytes = Arrays.copyOf(whole, length);
            ParserAgreement.check(bytes);
            ParserAgreement.check(bytes, Arrays.copyOf(everywhere, Math.max(0, length - 1)));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "", // nothing
                "00", // field 0
                "0203616263", // field 0, length-delimited
                "16", // wire type 6
                "17", // wire type 7
                "0c", // the end of a group that did not begin
                "0b14", // a group ends with another's end
                "0b", // a group without an end
                "0b0c12020801", // a group with the number of open
                "1005", // batch as varint
                "12041a040102", // packed steps that go beyond their batch
                "1205120401020304", // half a packed id
                "12031a0181", // half a packed step
                "120c0880808080808080808080" + "01", // a varint of 11 bytes
                "120b0880808080808080808000", // zero in 10 bytes
                "120b08ffffffffffffffffff7f", // bits beyond the 64th
                "1206308080808010", // true only beyond 32 bits
                "8a80808010030a0161", // a tag with bits beyond the 32nd
                "0a8380808010030a0161", // a length with bits beyond the 32nd
                "0affffffff0f", // a length of -1
                "0a05ff", // a length beyond the end
                "0a0fa801f685eb96a7fffffffff5a00004" + "8a8080000ac10166", // a varint of 11 bytes in open
                "0a030a01ff", // a string that is no UTF-8
                "0a030a01610a03120162", // open twice
                "0a030a0161120208010a03120162", // open, batch, open
                "120208010a030a016112022807", // batch, open, batch
                "12091101000000000000001209110200000000000000", // ids in two batches
                "12067a01017a020203", // gradients twice
                "120d7a07", // gradients that are not there
            })
    void decode_edges_agreesWithProtobuf(String hex) {
        byte[] bytes = HexFormat.of().parseHex(hex);
        ParserAgreement.check(bytes);
        ParserAgreement.check(bytes, IntStream.range(1, bytes.length).toArray());
    }

    @ParameterizedTest
    @CsvSource({"'', 100", "'', 101", "12, 99", "12, 100", "0a, 99", "0a, 100"})
    void decode_nestedGroups_agreesWithProtobuf(String member, int levels) {
        String groups = "53".repeat(levels) + "54".repeat(levels);
        String length = member.isEmpty() ? "" : "%02x%02x".formatted(((2 * levels) & 0x7F) | 0x80, (2 * levels) >> 7);
        ParserAgreement.check(HexFormat.of().parseHex(member + length + groups));
    }

    @Test
    void decode_malformed_saysWhatIsWrongAndWhere() {
        byte[] bytes = HexFormat.of().parseHex("12067a7f00000000");

        assertThatThrownBy(() -> IngestDecoder.decode(onePiece(bytes)))
                .isInstanceOf(MalformedMessageException.class)
                .hasMessage("after 3 bytes, a length is 127: expected 0 to 4, what the message still has");
    }

    @Test
    void decode_gradientsAcrossPieces_areReadInParts() {
        byte[] bytes = IngestRequest.newBuilder()
                .setBatch(SampleBatch.newBuilder().setGradients(ByteString.copyFromUtf8("abcdefgh")))
                .build()
                .toByteArray();
        List<MemorySegment> pieces = List.of(
                MemorySegment.ofArray(bytes).asSlice(0, 5),
                MemorySegment.ofArray(bytes).asSlice(5, 0),
                MemorySegment.ofArray(bytes).asSlice(5, 2),
                MemorySegment.ofArray(bytes).asSlice(7));

        var samples = (IngestMessage.Samples) IngestDecoder.decode(new MessagePieces(pieces, null));

        byte[] target = new byte[5];
        samples.batch().gradients().read(MemorySegment.ofArray(target));
        assertThat(new String(target, StandardCharsets.US_ASCII)).isEqualTo("abcde");
        assertThat(samples.batch().gradients().byteCount()).isEqualTo(3);
        assertThatThrownBy(() -> samples.batch().gradients().read(MemorySegment.ofArray(target)))
                .hasMessage("target has 5 bytes: expected at most 3");
    }

    @Test
    void decode_open_isTheGeneratedMessage() {
        Open open = Open.newBuilder().setRunId("r").setWriterId("w").build();
        byte[] bytes = IngestRequest.newBuilder().setOpen(open).build().toByteArray();

        assertThat(IngestDecoder.decode(onePiece(bytes))).isEqualTo(new IngestMessage.Opening(open));
    }

    private static MessagePieces onePiece(byte[] bytes) {
        return new MessagePieces(List.of(MemorySegment.ofArray(bytes)), null);
    }

    private static void checkWithSeed(long seed, byte[] bytes, int[] cuts) {
        try {
            ParserAgreement.check(bytes, cuts);
        } catch (Throwable e) {
            throw new AssertionError(
                    "-Ddatainf.seed=%d, %s".formatted(seed, HexFormat.of().formatHex(bytes)), e);
        }
    }
}
