package io.datainf.engine.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/** Files that fail on demand. Faults stay until taken back. Any number of threads. */
public final class FaultyFiles implements StoreFiles {

    /** Means that appending works. */
    public static final long UNLIMITED = Long.MAX_VALUE;

    private volatile long appendableBytes = UNLIMITED;
    private volatile boolean forceFails;
    private volatile boolean truncateFails;
    private volatile boolean openFails;
    private volatile boolean nameChangesFail;
    private volatile boolean directoriesFail;
    private volatile boolean renamesFail;
    private volatile boolean directoryForcesFail;
    private volatile boolean indexesFail;

    /** Lets so many more bytes through, then fails each append after writing what fits. */
    public void limitAppends(long bytes) {
        appendableBytes = bytes;
    }

    /** Whether forces fail. */
    public void failForces(boolean fails) {
        forceFails = fails;
    }

    /** Whether forces of directories fail. */
    public void failDirectoryForces(boolean fails) {
        directoryForcesFail = fails;
    }

    /** Whether opening index files fails. */
    public void failIndexes(boolean fails) {
        indexesFail = fails;
    }

    /** Whether cutting files off fails. */
    public void failTruncates(boolean fails) {
        truncateFails = fails;
    }

    /** Whether opening fails. */
    public void failOpens(boolean fails) {
        openFails = fails;
    }

    /** Whether making directories fails. */
    public void failDirectories(boolean fails) {
        directoriesFail = fails;
    }

    /** Whether renaming fails. */
    public void failRenames(boolean fails) {
        renamesFail = fails;
    }

    /** Whether making, renaming and removing files and directories fails. */
    public void failNameChanges(boolean fails) {
        nameChangesFail = fails;
    }

    @Override
    public AppendFile append(Path path) throws IOException {
        failIf(openFails || (indexesFail && path.toString().contains(".didx")), "open");
        AppendFile file = SYSTEM.append(path);
        return new AppendFile() {
            @Override
            public long length() throws IOException {
                return file.length();
            }

            @Override
            public void append(ByteBuffer[] buffers) throws IOException {
                for (ByteBuffer buffer : buffers) {
                    int fits = (int) Math.min(appendableBytes, buffer.remaining());
                    file.append(new ByteBuffer[] {buffer.slice(buffer.position(), fits)});
                    if (appendableBytes != UNLIMITED) {
                        limitAppends(appendableBytes - fits);
                    }
                    failIf(fits < buffer.remaining(), "append");
                }
            }

            @Override
            public void force() throws IOException {
                // Nothing in a test outlives the operating system, so there is nothing to wait for.
                failIf(forceFails, "force");
            }

            @Override
            public void truncate(long length) throws IOException {
                failIf(truncateFails, "truncate");
                file.truncate(length);
            }

            @Override
            public void close() throws IOException {
                file.close();
            }
        };
    }

    @Override
    public void createDirectory(Path directory) throws IOException {
        failIf(nameChangesFail || directoriesFail, "mkdir");
        SYSTEM.createDirectory(directory);
    }

    @Override
    public void rename(Path from, Path to) throws IOException {
        failIf(nameChangesFail || renamesFail, "rename");
        SYSTEM.rename(from, to);
    }

    @Override
    public void delete(Path path) throws IOException {
        failIf(nameChangesFail, "delete");
        SYSTEM.delete(path);
    }

    @Override
    public void forceDirectory(Path directory) throws IOException {
        failIf(forceFails || directoryForcesFail, "force of a directory");
    }

    private static void failIf(boolean fails, String operation) throws IOException {
        if (fails) {
            FaultCounts.add("injected faults: " + operation, 1);
            throw new IOException("injected fault: " + operation);
        }
    }
}
