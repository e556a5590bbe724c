package io.datainf.sidecar.rpc;

import io.datainf.sidecar.ingest.GradientBytes;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Set;

/**
 * Memory that one stream shares with its writer, who may write it at any time: nothing is read from it twice, and what was read
 * is checked afterwards. A file that has a name until the writer has used it, and is gone when it is closed.
 *
 * <p>Any thread may close it; a copy that is under way ends before.
 */
final class SharedRegion implements AutoCloseable {

    private static final int TOKEN_BYTES = 16;
    private static final int WRITE_BYTES = 1 << 20;
    private static final SecureRandom RANDOM = new SecureRandom();

    private final Path path;
    private final byte[] token;
    private final long byteCount;
    private final FileChannel file;
    private final Runnable onClose;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory;
    // Guarded by this.
    private boolean used;
    private boolean closed;

    private SharedRegion(Path path, byte[] token, long byteCount, FileChannel file, Runnable onClose)
            throws IOException {
        this.path = path;
        this.token = token;
        this.byteCount = byteCount;
        this.file = file;
        this.onClose = onClose;
        this.memory = file.map(MapMode.READ_ONLY, 0, byteCount, arena);
    }

    /**
     * Makes the file.
     *
     * @param prefix of its name
     * @param onClose is run when the memory is free again
     */
    static SharedRegion create(
            Path folder, String prefix, long byteCount, Set<PosixFilePermission> mode, Runnable onClose)
            throws IOException {
        byte[] random = new byte[2 * TOKEN_BYTES];
        RANDOM.nextBytes(random);
        HexFormat hex = HexFormat.of();
        Path path = folder.resolve(prefix + hex.formatHex(random, TOKEN_BYTES, random.length));
        byte[] token = Arrays.copyOf(random, TOKEN_BYTES);
        FileChannel file = FileChannel.open(
                path,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        try {
            reserve(file, byteCount, token);
            Files.setPosixFilePermissions(path, mode);
            return new SharedRegion(path.toAbsolutePath(), token, byteCount, file, onClose);
        } catch (IOException | RuntimeException | Error e) {
            Files.deleteIfExists(path);
            file.close();
            throw e;
        }
    }

    /** Writes all of the file: where a file in memory has a hole and no memory is left, a process that touches it is killed. */
    private static void reserve(FileChannel file, long byteCount, byte[] token) throws IOException {
        ByteBuffer zeros = ByteBuffer.allocateDirect(WRITE_BYTES);
        for (long position = 0; position < byteCount; ) {
            zeros.clear().limit((int) Math.min(WRITE_BYTES, byteCount - position));
            position += file.write(zeros, position);
        }
        file.write(ByteBuffer.wrap(token), 0);
    }

    /** Where the writer finds the file. */
    Path path() {
        return path;
    }

    /** What the file begins with. */
    byte[] token() {
        return token.clone();
    }

    /** Length of the file, bytes. */
    long byteCount() {
        return byteCount;
    }

    /**
     * The gradients that the writer has put in a part of the memory.
     *
     * @throws InvalidRequestException if the part is not in the memory
     */
    synchronized GradientBytes gradients(long byteOffset, long length) {
        if (closed) {
            throw refused("there is no shared memory any more: expected the stream to be open");
        }
        if (byteOffset < 0 || length < 1 || length > Integer.MAX_VALUE || byteOffset > byteCount - length) {
            throw refused("bytes %d to %d of the shared memory: expected a part of its %d bytes"
                    .formatted(byteOffset, byteOffset + length, byteCount));
        }
        if (!used) {
            used = true;
            removeName();
        }
        return new Range(byteOffset, (int) length);
    }

    private static InvalidRequestException refused(String message) {
        return new InvalidRequestException("batch.shared_gradients", message);
    }

    private synchronized void read(long byteOffset, MemorySegment target) {
        if (closed) {
            throw new IllegalStateException("the shared memory was closed: expected its stream to be open");
        }
        try {
            // Memory beyond the end of a file that was cut off cannot be read.
            if (file.size() < byteCount) {
                throw refused("the file of the shared memory was cut to %d bytes: expected %d"
                        .formatted(file.size(), byteCount));
            }
            MemorySegment.copy(memory, byteOffset, target, 0, target.byteSize());
        } catch (IOException | InternalError e) {
            InvalidRequestException refused = refused("the shared memory cannot be read: " + e.getMessage());
            refused.initCause(e);
            throw refused;
        }
    }

    private void removeName() {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            // The next start removes it.
        }
    }

    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (!used) {
            removeName();
        }
        arena.close();
        try {
            file.close();
        } catch (IOException e) {
            // Nothing was to be written.
        }
        onClose.run();
    }

    /** A part of the memory; its writer leaves it there until the batch is acked. */
    private final class Range implements GradientBytes {

        private long position;
        private int byteCount;

        Range(long position, int byteCount) {
            this.position = position;
            this.byteCount = byteCount;
        }

        @Override
        public int byteCount() {
            return byteCount;
        }

        @Override
        public void read(MemorySegment target) {
            SharedRegion.this.read(position, target);
            position += target.byteSize();
            byteCount -= (int) target.byteSize();
        }

        @Override
        public GradientBytes keep() {
            return new Range(position, byteCount);
        }

        @Override
        public void close() {
            // The memory is the region's.
        }
    }
}
