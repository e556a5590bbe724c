package io.datainf.engine.store;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * Every change that the store makes to the file system: the one place where durability is asked for, and where tests let
 * disks fail or power go. Reading needs no such seam. Implementations are safe for any number of threads.
 */
public interface StoreFiles {

    /** The file system of the machine. */
    StoreFiles SYSTEM = new StoreFiles() {
        @Override
        public AppendFile append(Path file) throws IOException {
            return AppendFile.open(file);
        }

        @Override
        public AppendFile appendForced(Path file) throws IOException {
            return DirectAppendFile.open(file);
        }

        @Override
        public void createDirectory(Path directory) throws IOException {
            Files.createDirectory(directory);
        }

        @Override
        public void rename(Path from, Path to) throws IOException {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        }

        @Override
        public void delete(Path path) throws IOException {
            Files.deleteIfExists(path);
        }

        @Override
        public void forceDirectory(Path directory) throws IOException {
            try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
                channel.force(true);
            }
        }
    };

    /** Opens a file to append to it, creating it if there is none. */
    AppendFile append(Path file) throws IOException;

    /** The same for a file whose appends are large and forced at once, which may be written in another way. */
    default AppendFile appendForced(Path file) throws IOException {
        return append(file);
    }

    /** Makes an empty directory. */
    void createDirectory(Path directory) throws IOException;

    /** Gives a file or directory another name at once, replacing a file of that name. */
    void rename(Path from, Path to) throws IOException;

    /** Removes a file or an empty directory if it exists. */
    void delete(Path path) throws IOException;

    /** Makes the names in a directory durable. */
    void forceDirectory(Path directory) throws IOException;
}
