package io.datainf.sidecar.doctor;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/** Folders: whether they can be written, what is free, and how fast a disk takes and keeps samples. */
final class DiskCheck {

    private static final long LITTLE_BYTES = 1L << 30;
    private static final int PROBE_BYTES = 64 << 20;
    private static final int WRITE_BYTES = 1 << 20;
    private static final int FORCES = 20;
    private static final double SLOW_FORCE_MILLIS = 20;
    private static final Set<String> IN_MEMORY = Set.of("tmpfs", "ramfs");
    private static final Set<String> REMOTE = Set.of("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs");

    private DiskCheck() {}

    /** Looks at the place of a data directory, which need not be there yet. */
    static List<Finding> data(Path directory) {
        Path existing = directory.toAbsolutePath();
        while (!Files.exists(existing) && existing.getParent() != null) {
            existing = existing.getParent();
        }
        List<Finding> findings = new ArrayList<>();
        try {
            FileStore store = Files.getFileStore(existing);
            findings.add(free(directory, store));
            if (IN_MEMORY.contains(store.type())) {
                findings.add(Finding.warn(
                        "disk", "%s is on %s: samples are gone when the machine stops", directory, store.type()));
            } else if (REMOTE.contains(store.type())) {
                findings.add(Finding.warn(
                        "disk",
                        "%s is on %s: expected a disk of this machine, whose locks hold",
                        directory,
                        store.type()));
            }
            findings.add(speed(existing));
        } catch (IOException e) {
            findings.add(Finding.fail("disk", "%s cannot be written: %s", directory, e));
        }
        return findings;
    }

    /** Looks at the folder through which writers hand samples over. */
    static Finding sharedMemory(Path directory, long bytes) {
        try {
            FileStore store = Files.getFileStore(directory);
            if (!IN_MEMORY.contains(store.type())) {
                return Finding.warn(
                        "shared-memory",
                        "%s is on %s: expected a tmpfs; writers send through the socket instead",
                        directory,
                        store.type());
            }
            if (store.getUsableSpace() < bytes) {
                return Finding.warn(
                        "shared-memory",
                        "%s has %s free, less than --shared-memory %s: enlarge it (in a container: --shm-size)",
                        directory,
                        size(store.getUsableSpace()),
                        size(bytes));
            }
            return Finding.ok("shared-memory", "%s, %s free", directory, size(store.getUsableSpace()));
        } catch (IOException e) {
            return Finding.warn(
                    "shared-memory", "%s cannot be used: %s; writers send through the socket instead", directory, e);
        }
    }

    /** A number of bytes for people. */
    static String size(long bytes) {
        return bytes < 1L << 30 ? "%d MiB".formatted(bytes >> 20) : "%.1f GiB".formatted(bytes / (double) (1 << 30));
    }

    private static Finding free(Path directory, FileStore store) throws IOException {
        long free = store.getUsableSpace();
        return free < LITTLE_BYTES
                ? Finding.warn("disk", "%s has only %s free", directory, size(free))
                : Finding.ok("disk", "%s on %s, %s free", directory, store.type(), size(free));
    }

    private static Finding speed(Path directory) throws IOException {
        Path probe = Files.createTempFile(directory, "datainf-doctor", null);
        try (FileChannel file = FileChannel.open(probe, StandardOpenOption.WRITE)) {
            ByteBuffer block = ByteBuffer.allocateDirect(WRITE_BYTES);
            long start = System.nanoTime();
            for (int written = 0; written < PROBE_BYTES; written += WRITE_BYTES) {
                writeAll(file, block.clear());
            }
            file.force(false);
            double bytesPerNano = PROBE_BYTES / (double) (System.nanoTime() - start);
            double[] millis = new double[FORCES];
            for (int i = 0; i < FORCES; i++) {
                start = System.nanoTime();
                writeAll(file, block.clear().limit(4096));
                file.force(false);
                millis[i] = (System.nanoTime() - start) / 1e6;
            }
            Arrays.sort(millis);
            double median = millis[FORCES / 2];
            String figures = "%.0f MB/s, a force takes %.2f ms".formatted(1e3 * bytesPerNano, median);
            return median > SLOW_FORCE_MILLIS
                    ? Finding.warn("disk", "%s: slow; every acknowledged batch waits for one", figures)
                    : Finding.ok("disk", "%s", figures);
        } finally {
            Files.delete(probe);
        }
    }

    private static void writeAll(FileChannel file, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            int ignored = file.write(bytes);
        }
    }
}
