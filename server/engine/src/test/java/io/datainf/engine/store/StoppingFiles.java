package io.datainf.engine.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/**
 * A file system under a process that is killed after some number of changes: what it did before stays, everything later fails
 * without effect. One thread.
 */
final class StoppingFiles implements StoreFiles {

    private final int changesAllowed;
    private int changes;

    /** Lets so many changes through. */
    StoppingFiles(int changesAllowed) {
        this.changesAllowed = changesAllowed;
    }

    /** Whether a change was asked for that was not allowed any more. */
    boolean stopped() {
        return changes > changesAllowed;
    }

    @Override
    public AppendFile append(Path path) throws IOException {
        change();
        AppendFile file = SYSTEM.append(path);
        return new AppendFile() {
            @Override
            public long length() throws IOException {
                return file.length();
            }

            @Override
            public void append(ByteBuffer[] buffers) throws IOException {
                change();
                file.append(buffers);
            }

            @Override
            public void force() throws IOException {
                change();
            }

            @Override
            public void truncate(long length) throws IOException {
                change();
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
        change();
        SYSTEM.createDirectory(directory);
    }

    @Override
    public void rename(Path from, Path to) throws IOException {
        change();
        SYSTEM.rename(from, to);
    }

    @Override
    public void delete(Path path) throws IOException {
        change();
        SYSTEM.delete(path);
    }

    @Override
    public void forceDirectory(Path directory) throws IOException {
        change();
    }

    private void change() throws IOException {
        changes++;
        if (stopped()) {
            throw new IOException("killed at change %d".formatted(changes));
        }
    }
}
