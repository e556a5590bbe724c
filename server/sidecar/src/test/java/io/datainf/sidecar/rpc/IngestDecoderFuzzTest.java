package io.datainf.sidecar.rpc;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Any bytes at all. The normal build runs the seeds; {@code JAZZER_FUZZ=1 mvn verify -pl server/sidecar -am -Djazzer.hooks=true
 * -Dtest=IngestDecoderFuzzTest -Dsurefire.failIfNoSpecifiedTests=false -DskipITs} searches for 5 minutes.
 */
class IngestDecoderFuzzTest {

    private static final int SEEDS = 200;

    /** The first byte says how long the pieces are, 0 for one piece; the others are the message. */
    @MethodSource("seeds")
    @FuzzTest(maxDuration = "5m")
    void decode_anyBytes_agreesWithProtobuf(byte[] input) {
        int pieceBytes = input.length == 0 ? 0 : input[0] & 0xFF;
        byte[] message = Arrays.copyOfRange(input, Math.min(1, input.length), input.length);
        int[] cuts = pieceBytes == 0
                ? new int[0]
                : IntStream.rangeClosed(1, message.length / pieceBytes)
                        .map(piece -> piece * pieceBytes)
                        .toArray();
        ParserAgreement.check(message, cuts);
    }

    static Stream<byte[]> seeds() {
        return IntStream.range(0, SEEDS).mapToObj(seed -> {
            byte[] message = new RandomWire(new Random(seed)).request();
            byte[] input = new byte[message.length + 1];
            input[0] = (byte) (seed % 5);
            System.arraycopy(message, 0, input, 1, message.length);
            return input;
        });
    }
}
