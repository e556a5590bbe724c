package io.datainf.loadtests.faults;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A file written from its beginning to its end, as dd does, with fdatasync after each group. */
final class DiskWriting {

    private DiskWriting() {}

    /** Writes so many bytes, and removes the file. */
    static double bytesPerSecond(Path folder, long bytes, long groupBytes) throws IOException {
        Path file = folder.resolve("sequential");
        try (Arena arena = Arena.ofConfined();
                FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            MemorySegment group = arena.allocate(groupBytes, 4096);
            group.fill((byte) 1);
            long startNanos = System.nanoTime();
            for (long written = 0; written < bytes; written += groupBytes) {
                ByteBuffer piece =
                        group.asSlice(0, Math.min(groupBytes, bytes - written)).asByteBuffer();
                while (piece.hasRemaining()) {
                    channel.write(piece);
                }
                channel.force(false);
            }
            return (double) bytes / ((System.nanoTime() - startNanos) / 1e9);
        } finally {
            Files.deleteIfExists(file);
        }
    }
}
