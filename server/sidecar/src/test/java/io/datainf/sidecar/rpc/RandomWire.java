package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.WireReader.END_GROUP;
import static io.datainf.sidecar.rpc.WireReader.FIXED32;
import static io.datainf.sidecar.rpc.WireReader.FIXED64;
import static io.datainf.sidecar.rpc.WireReader.LENGTH_DELIMITED;
import static io.datainf.sidecar.rpc.WireReader.START_GROUP;
import static io.datainf.sidecar.rpc.WireReader.VARINT;
import static io.datainf.sidecar.rpc.WireReader.tag;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;

/**
 * Writes valid IngestRequests in all the ways that Protocol Buffers allow: any order, fields that come twice or are unknown,
 * packed or not, varints with more bytes than needed.
 */
final class RandomWire {

    private static final int MAX_VARINT_BYTES = 10;
    private static final int MAX_GROUP_DEPTH = 4;

    private final Random random;

    RandomWire(Random random) {
        this.random = random;
    }

    /** A message with up to 4 members and unknown fields around them. */
    byte[] request() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int fields = random.nextInt(5);
        for (int i = 0; i < fields; i++) {
            switch (random.nextInt(5)) {
                case 0 -> field(out, 1, openFields());
                case 1 -> unknown(out, 3 + random.nextInt(1000), 0);
                default -> field(out, 2, batchFields());
            }
        }
        return out.toByteArray();
    }

    /** Where to cut a message: nowhere, everywhere, or at some places, some of them equal. */
    int[] cuts(int byteCount) {
        int[] cuts = switch (random.nextInt(4)) {
            case 0 -> new int[0];
            case 1 -> new int[Math.max(0, byteCount - 1)];
            default -> new int[random.nextInt(9)];
        };
        boolean everywhere = cuts.length == byteCount - 1;
        for (int i = 0; i < cuts.length; i++) {
            cuts[i] = everywhere ? i + 1 : random.nextInt(byteCount + 1);
        }
        Arrays.sort(cuts);
        return cuts;
    }

    /** The same with some bytes changed, left out, added or doubled, or the end cut off. */
    byte[] mutated(byte[] bytes) {
        byte[] mutated = bytes;
        for (int times = 1 + random.nextInt(3); times > 0 && mutated.length > 0; times--) {
            int at = random.nextInt(mutated.length);
            int count = Math.min(mutated.length - at, 1 + random.nextInt(4));
            mutated = switch (random.nextInt(6)) {
                case 0 -> Arrays.copyOf(mutated, at);
                case 1 -> join(Arrays.copyOf(mutated, at), Arrays.copyOfRange(mutated, at + count, mutated.length));
                case 2 -> join(Arrays.copyOf(mutated, at + count), Arrays.copyOfRange(mutated, at, mutated.length));
                case 3 ->
                    join(
                            Arrays.copyOf(mutated, at),
                            bytes(1 + random.nextInt(3)),
                            Arrays.copyOfRange(mutated, at, mutated.length));
                case 4 -> withByte(mutated, at, (byte) (mutated[at] ^ (1 << random.nextInt(8))));
                default -> withByte(mutated, at, interesting());
            };
        }
        return mutated;
    }

    private byte[] openFields() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int i = random.nextInt(6); i > 0; i--) {
            switch (random.nextInt(6)) {
                case 0 -> varintField(out, 4, random.nextInt(5));
                case 1 -> unknown(out, 6 + random.nextInt(20), 1);
                case 2 -> field(out, 2, "Schreiber \u00e4\u20ac\ud83d\ude00".getBytes(StandardCharsets.UTF_8));
                case 3 -> field(out, 3, bytes(random.nextInt(3)));
                default -> field(out, 1 + 4 * random.nextInt(2), "run".getBytes(StandardCharsets.UTF_8));
            }
        }
        return out.toByteArray();
    }

    private byte[] batchFields() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int i = random.nextInt(12); i > 0; i--) {
            switch (random.nextInt(12)) {
                case 0 -> varintField(out, 1, number());
                case 1 -> {
                    varint(out, tag(2, FIXED64));
                    out.writeBytes(bytes(Long.BYTES));
                }
                case 2 -> field(out, 2, bytes(Long.BYTES * random.nextInt(5)));
                case 3 -> varintField(out, 3, number());
                case 4 -> field(out, 3, packedNumbers());
                case 5 -> {
                    varint(out, tag(4, FIXED32));
                    out.writeBytes(bytes(Integer.BYTES));
                }
                case 6 -> varintField(out, 5, number());
                case 7 -> varintField(out, 6, random.nextInt(3));
                case 8 -> unknown(out, 7 + random.nextInt(8), 1);
                case 10 -> field(out, 7, rangeFields());
                case 9 -> unknown(out, 1 + random.nextInt(300), 1);
                default -> field(out, 15, bytes(random.nextInt(40)));
            }
        }
        return out.toByteArray();
    }

    private byte[] rangeFields() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int i = random.nextInt(4); i > 0; i--) {
            varintField(out, 1 + random.nextInt(3), number());
        }
        return out.toByteArray();
    }

    private byte[] packedNumbers() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int i = random.nextInt(5); i > 0; i--) {
            varint(out, number());
        }
        return out.toByteArray();
    }

    /** A field of any number and wire type; with the number of a known one it may be known after all. */
    private void unknown(ByteArrayOutputStream out, int number, int depth) {
        switch (random.nextInt(depth < MAX_GROUP_DEPTH ? 5 : 4)) {
            case 0 -> varintField(out, number, number());
            case 1 -> {
                varint(out, tag(number, FIXED32));
                out.writeBytes(bytes(Integer.BYTES));
            }
            case 2 -> {
                varint(out, tag(number, FIXED64));
                out.writeBytes(bytes(Long.BYTES));
            }
            case 3 -> field(out, number, bytes(random.nextInt(20)));
            default -> {
                varint(out, tag(number, START_GROUP));
                for (int i = random.nextInt(3); i > 0; i--) {
                    unknown(out, 1 + random.nextInt(20), depth + 1);
                }
                varint(out, tag(number, END_GROUP));
            }
        }
    }

    private void varintField(ByteArrayOutputStream out, int number, long value) {
        varint(out, tag(number, VARINT));
        varint(out, value);
    }

    private void field(ByteArrayOutputStream out, int number, byte[] content) {
        varint(out, tag(number, LENGTH_DELIMITED));
        varint(out, content.length);
        out.writeBytes(content);
    }

    /** Writes a varint, one time in four with more bytes than it needs. */
    private void varint(ByteArrayOutputStream out, long value) {
        int least = Math.max(1, (Long.SIZE - Long.numberOfLeadingZeros(value) + 6) / 7);
        int byteCount = random.nextInt(4) == 0 ? least + random.nextInt(MAX_VARINT_BYTES - least + 1) : least;
        long rest = value;
        for (int i = 1; i < byteCount; i++) {
            out.write((int) ((rest & 0x7F) | 0x80));
            rest >>>= 7;
        }
        out.write((int) rest);
    }

    private long number() {
        return random.nextLong() >> random.nextInt(Long.SIZE);
    }

    private byte[] bytes(int count) {
        byte[] bytes = new byte[count];
        random.nextBytes(bytes);
        return bytes;
    }

    /** A byte that is likely to break something: a tag, a length, the middle of a varint. */
    private byte interesting() {
        byte[] choices = {0, 1, 0x7F, (byte) 0x80, (byte) 0xFF, 0x0A, 0x12, 0x7A, 0x0B, 0x0C, 0x13, 0x14, 0x16, 0x17};
        return choices[random.nextInt(choices.length)];
    }

    private static byte[] withByte(byte[] bytes, int at, byte value) {
        byte[] changed = bytes.clone();
        changed[at] = value;
        return changed;
    }

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }
}
