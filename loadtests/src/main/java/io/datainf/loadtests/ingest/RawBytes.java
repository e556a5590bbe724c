package io.datainf.loadtests.ingest;

import io.grpc.MethodDescriptor;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/**
 * A gRPC method that takes a stream of messages of bytes without any meaning, and answers with how many they were, decimal. On the
 * server each byte is copied once, out of the buffers of the network into one that is used again and again.
 */
final class RawBytes {

    static final String SERVICE = "raw.Sink";

    /** As the client sees it. */
    static final MethodDescriptor<byte[], Long> SENT = method(new Bytes());

    /** As the server does: of a message only its length is left. */
    static final MethodDescriptor<Integer, Long> TAKEN = method(new Lengths());

    private static final int BUFFER_BYTES = 64 << 10;

    private RawBytes() {}

    private static <T> MethodDescriptor<T, Long> method(MethodDescriptor.Marshaller<T> messages) {
        return MethodDescriptor.<T, Long>newBuilder()
                .setType(MethodDescriptor.MethodType.CLIENT_STREAMING)
                .setFullMethodName(MethodDescriptor.generateFullMethodName(SERVICE, "Take"))
                .setRequestMarshaller(messages)
                .setResponseMarshaller(new Decimal())
                .build();
    }

    private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {

        @Override
        public InputStream stream(byte[] message) {
            return new ByteArrayInputStream(message);
        }

        @Override
        public byte[] parse(InputStream stream) {
            throw new UnsupportedOperationException("clients send only");
        }
    }

    private static final class Lengths implements MethodDescriptor.Marshaller<Integer> {

        private static final ThreadLocal<byte[]> BUFFER = ThreadLocal.withInitial(() -> new byte[BUFFER_BYTES]);

        @Override
        public InputStream stream(Integer message) {
            throw new UnsupportedOperationException("servers receive only");
        }

        @Override
        public Integer parse(InputStream stream) {
            byte[] target = BUFFER.get();
            int bytes = 0;
            try {
                for (int read = stream.read(target); read >= 0; read = stream.read(target)) {
                    bytes += read;
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return bytes;
        }
    }

    private static final class Decimal implements MethodDescriptor.Marshaller<Long> {

        @Override
        public InputStream stream(Long count) {
            return new ByteArrayInputStream(count.toString().getBytes(StandardCharsets.US_ASCII));
        }

        @Override
        public Long parse(InputStream stream) {
            try {
                return Long.valueOf(new String(stream.readAllBytes(), StandardCharsets.US_ASCII));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
