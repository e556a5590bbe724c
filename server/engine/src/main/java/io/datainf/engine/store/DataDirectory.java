package io.datainf.engine.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The directory that holds all runs, locked while open:
 *
 * <pre>
 * lock                          locked by the server; holds its process id
 * runs/RUN_ID/manifest          see {@link ManifestFormat}
 * runs/RUN_ID/segment-N.dseg    see {@link SegmentFormat}
 * tmp/                          runs being created or deleted; emptied when the directory is opened
 * tmp/runs/RUN_ID/manifest      runs that are held in memory only
 * </pre>
 *
 * A run appears and disappears by one rename. Threads: one at a time changes it; {@link #runDirectory} and {@link #readManifest} from any.
 */
public final class DataDirectory implements AutoCloseable {

    private static final Logger logger = LoggerFactory.getLogger(DataDirectory.class);
    private static final String LOCK_FILE = "lock";
    private static final String RUNS = "runs";
    private static final int PROBE_BYTES = 1 << 20;
    // A process loses its POSIX lock when it closes any channel on the file, so a second opening within this process
    // must
    // be turned away before it touches the file.
    private static final Set<Path> HELD_HERE = ConcurrentHashMap.newKeySet();

    private final Path root;
    private final Path runs;
    private final Path temporary;
    private final StoreFiles files;
    private final FileChannel lockChannel;

    private DataDirectory(Path root, StoreFiles files, Durability durability, FileChannel lockChannel) {
        this.root = root;
        this.temporary = root.resolve("tmp");
        this.runs = (durability == Durability.NONE ? temporary : root).resolve(RUNS);
        this.files = files;
        this.lockChannel = lockChannel;
    }

    /**
     * Creates the directory if need be and locks it.
     *
     * @param durability of the runs in it; with {@link Durability#NONE} they are gone when the directory is next opened
     * @throws DataDirectoryInUseException if another server holds it
     * @throws IOException also if nothing is durable and it holds runs, which would not be served
     */
    public static DataDirectory open(Path path, StoreFiles files, Durability durability) throws IOException {
        Files.createDirectories(path);
        Path root = path.toRealPath();
        if (!HELD_HERE.add(root)) {
            throw new DataDirectoryInUseException(root, "this process");
        }
        boolean opened = false;
        try {
            DataDirectory directory = new DataDirectory(root, files, durability, lock(root));
            try {
                directory.prepare();
                opened = true;
                return directory;
            } finally {
                if (!opened) {
                    directory.lockChannel.close();
                }
            }
        } finally {
            if (!opened) {
                HELD_HERE.remove(root);
            }
        }
    }

    /** Names of the runs' directories, ascending. */
    public List<String> runNames() throws IOException {
        return DurableFiles.list(runs).stream()
                .map(entry -> entry.getFileName().toString())
                .toList();
    }

    /** Where the files of a run lie. */
    public Path runDirectory(String runName) {
        return runs.resolve(runName);
    }

    /** Bytes of the files of a run; 0 if it has none. Files that come and go meanwhile count or do not. */
    public long runBytes(String runName) throws IOException {
        long bytes = 0;
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(runDirectory(runName))) {
            for (Path file : entries) {
                bytes += fileBytes(file);
            }
        } catch (NoSuchFileException e) {
            return 0; // deleted, or not created yet
        }
        return bytes;
    }

    /**
     * Reads the manifest of a run.
     *
     * @throws StoreFormatException if it cannot be understood or belongs to another run
     */
    public RunManifest readManifest(String runName) throws IOException {
        Path file = runDirectory(runName).resolve(ManifestFormat.FILE_NAME);
        if (!Files.exists(file)) {
            throw new CorruptSegmentException(file, 0, "a manifest", "no file");
        }
        RunManifest manifest = ManifestFormat.read(file);
        if (!manifest.runId().equals(runName)) {
            throw new CorruptSegmentException(file, 0, "run '" + runName + "'", "run '" + manifest.runId() + "'");
        }
        return manifest;
    }

    /** Creates the directory of a run that does not exist, durably: after a crash it is there whole or not at all. */
    public void createRun(RunManifest manifest) throws IOException {
        Path staged = temporary.resolve(UUID.randomUUID().toString());
        files.createDirectory(staged);
        Path target = runDirectory(manifest.runId());
        boolean created = false;
        try {
            DurableFiles.writeAtomically(
                    files, staged.resolve(ManifestFormat.FILE_NAME), ManifestFormat.encode(manifest));
            DurableFiles.publish(files, staged, target);
            created = true;
        } finally {
            if (!created) {
                deleteLater(Files.exists(staged) ? staged : target);
            }
        }
    }

    /** Takes a run away, durably. What cannot be removed at once is removed when the directory is next opened. */
    public void deleteRun(String runName) throws IOException {
        Path doomed = temporary.resolve(UUID.randomUUID().toString());
        DurableFiles.publish(files, runDirectory(runName), doomed);
        files.forceDirectory(runs);
        deleteLater(doomed);
    }

    /**
     * Writes some bytes durably and removes them.
     *
     * @throws IOException if the file system does not take them
     */
    public void probe() throws IOException {
        Path file = temporary.resolve("probe");
        try (AppendFile written = files.append(file)) {
            written.append(new ByteBuffer[] {ByteBuffer.allocate(PROBE_BYTES)});
            written.force();
        } finally {
            files.delete(file);
        }
    }

    /** Unlocks the directory. */
    @Override
    public void close() {
        try {
            lockChannel.close();
        } catch (IOException e) {
            logger.warn("{}: the lock file could not be closed", root, e);
        }
        HELD_HERE.remove(root);
    }

    @Override
    public String toString() {
        return root.toString();
    }

    private void prepare() throws IOException {
        Path durableRuns = Files.createDirectories(root.resolve(RUNS));
        Files.createDirectories(temporary);
        files.forceDirectory(root);
        for (Path leftover : DurableFiles.list(temporary)) {
            deleteLater(leftover);
        }
        if (!runs.equals(durableRuns)) {
            int count = DurableFiles.list(durableRuns).size();
            if (count > 0) {
                throw new IOException(
                        "data directory %s holds %d runs: expected one without runs when nothing is to be durable"
                                .formatted(root, count));
            }
            Files.createDirectories(runs);
        }
    }

    private void deleteLater(Path path) {
        try {
            DurableFiles.deleteRecursively(files, path);
        } catch (IOException e) {
            logger.warn("{} could not be removed; it will be when the server next starts", path, e);
        }
    }

    private static long fileBytes(Path file) throws IOException {
        try {
            return Files.size(file);
        } catch (NoSuchFileException e) {
            return 0; // compaction was quicker
        }
    }

    private static FileChannel lock(Path root) throws IOException {
        Path file = root.resolve(LOCK_FILE);
        FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        boolean done = false;
        try {
            FileLock lock = channel.tryLock();
            if (lock == null) {
                throw new DataDirectoryInUseException(root, holder(file));
            }
            channel.truncate(0);
            channel.write(
                    ByteBuffer.wrap(Long.toString(ProcessHandle.current().pid()).getBytes(StandardCharsets.US_ASCII)));
            done = true;
            return channel;
        } finally {
            if (!done) {
                channel.close();
            }
        }
    }

    private static String holder(Path lockFile) throws IOException {
        String pid = Files.readString(lockFile, StandardCharsets.UTF_8).strip();
        return pid.isEmpty() ? "another process" : "process " + pid;
    }
}
