package io.datainf.engine.store;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Changes to directories that survive a loss of power. */
final class DurableFiles {

    static final String TEMPORARY_SUFFIX = ".tmp";

    private DurableFiles() {}

    /** Writes a file that is there whole or not at all, replacing an older one. */
    static void writeAtomically(StoreFiles files, Path file, ByteBuffer... content) throws IOException {
        Path temporary = temporary(file);
        files.delete(temporary);
        try (AppendFile written = files.append(temporary)) {
            written.append(content);
            written.force();
        }
        publish(files, temporary, file);
    }

    /** The name under which a file is written before it is published. */
    static Path temporary(Path file) {
        return file.resolveSibling(file.getFileName() + TEMPORARY_SUFFIX);
    }

    /** Gives a forced file or directory its final name, durably. Both names lie on one file system. */
    static void publish(StoreFiles files, Path temporary, Path target) throws IOException {
        files.rename(temporary, target);
        files.forceDirectory(parent(target));
    }

    /** Entries of a directory, by name. */
    static List<Path> list(Path directory) throws IOException {
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.sorted().toList();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    static void deleteRecursively(StoreFiles files, Path root) throws IOException {
        Files.walkFileTree(root, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException failure)
                    throws IOException {
                if (failure != null) {
                    throw failure;
                }
                files.delete(directory);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    static Path parent(Path file) {
        Path parent = file.getParent();
        if (parent == null) {
            throw new IllegalArgumentException("file is %s: expected one within a directory".formatted(file));
        }
        return parent;
    }
}
