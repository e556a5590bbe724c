package io.datainf.sidecar.rpc;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.HexFormat;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Memory that streams share with writers on this host, so that gradients need not travel through a socket: a file in a folder
 * of memory for each stream that asks. Safe for any number of threads.
 */
public final class SharedMemory {

    private static final Logger LOG = LoggerFactory.getLogger(SharedMemory.class);

    // Less is not worth the files.
    private static final long LEAST_BYTES = 4L << 20;
    private static final String MEMORY_FILE_SYSTEM = "tmpfs";

    private final Options options;
    private final String prefix;
    private final AtomicLong usedBytes = new AtomicLong();

    /**
     * How much to share, and where.
     *
     * @param folder in memory, e.g. /dev/shm, which writers see under the same path
     * @param limitBytes most bytes over all streams; 0 shares none
     * @param mode of the files: who may be a writer
     */
    public record Options(Path folder, long limitBytes, Set<PosixFilePermission> mode) {

        public Options {
            mode = Set.copyOf(mode);
        }
    }

    private SharedMemory(Options options, String prefix) {
        this.options = options;
        this.prefix = prefix;
    }

    /** Shares nothing. */
    public static SharedMemory none() {
        return new SharedMemory(new Options(Path.of("/"), 0, Set.of()), "");
    }

    /**
     * Makes ready to share memory, and removes what a server of the same data directory left there when it was killed.
     *
     * @param dataDirectory locked by the caller
     * @throws IOException if the folder cannot be written, or lies on a disk
     */
    public static SharedMemory open(Options options, Path dataDirectory) throws IOException {
        if (!Files.isWritable(options.folder())
                || !Files.getFileStore(options.folder()).type().equals(MEMORY_FILE_SYSTEM)) {
            throw new IOException(
                    "'%s' is no folder in memory that can be written: expected one on %s, such as /dev/shm"
                            .formatted(options.folder(), MEMORY_FILE_SYSTEM));
        }
        String owner =
                HexFormat.of().toHexDigits(dataDirectory.toRealPath().toString().hashCode());
        SharedMemory memory = new SharedMemory(options, "datainf-%s-".formatted(owner));
        try (DirectoryStream<Path> left = Files.newDirectoryStream(options.folder(), memory.prefix + "*")) {
            for (Path file : left) {
                Files.deleteIfExists(file);
            }
        }
        return memory;
    }

    /** Bytes that streams share now. */
    public long usedBytes() {
        return usedBytes.get();
    }

    /**
     * Shares memory with a writer, as much as it wants or as there is.
     *
     * @return the memory, for the caller to close; empty if there is too little
     */
    Optional<SharedRegion> share(long wantedBytes) {
        try {
            long byteCount = reserve(wantedBytes);
            if (byteCount == 0) {
                return Optional.empty();
            }
            try {
                return Optional.of(SharedRegion.create(
                        options.folder(), prefix, byteCount, options.mode(), () -> usedBytes.addAndGet(-byteCount)));
            } catch (IOException | RuntimeException e) {
                usedBytes.addAndGet(-byteCount);
                throw e;
            }
        } catch (IOException | RuntimeException e) {
            LOG.warn("a writer gets no shared memory of {} bytes and sends through its socket", wantedBytes, e);
            return Optional.empty();
        }
    }

    /** Returns how many bytes were reserved; 0 if there are too few. */
    private long reserve(long wantedBytes) throws IOException {
        if (wantedBytes < LEAST_BYTES || options.limitBytes() == 0) {
            return 0;
        }
        // Others need the folder too.
        long free = Files.getFileStore(options.folder()).getUsableSpace() / 2;
        while (true) {
            long used = usedBytes.get();
            long granted = Math.min(Math.min(wantedBytes, free), options.limitBytes() - used);
            if (granted < LEAST_BYTES) {
                return 0;
            }
            if (usedBytes.compareAndSet(used, used + granted)) {
                return granted;
            }
        }
    }
}
