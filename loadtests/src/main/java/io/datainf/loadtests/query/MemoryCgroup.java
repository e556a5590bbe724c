package io.datainf.loadtests.query;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;

/**
 * A memory cgroup, of version 1 or 2, whose processes are killed when they take more than its limit. Page cache counts, but is taken back
 * first.
 */
final class MemoryCgroup implements AutoCloseable {

    private static final Path ROOT = Path.of("/sys/fs/cgroup");

    private final Path group;

    private MemoryCgroup(Path group) {
        this.group = group;
    }

    /** Makes a cgroup; empty, with a word on the error stream, if this machine does not allow it. */
    static Optional<MemoryCgroup> create(long limitBytes) {
        boolean first = Files.isDirectory(ROOT.resolve("memory"));
        Path group = (first ? ROOT.resolve("memory") : ROOT)
                .resolve("datainf-" + ProcessHandle.current().pid());
        try {
            Files.createDirectory(group);
            Files.writeString(group.resolve(first ? "memory.limit_in_bytes" : "memory.max"), Long.toString(limitBytes));
            return Optional.of(new MemoryCgroup(group));
        } catch (IOException e) {
            System.err.println("no memory cgroup, so nothing would be killed: " + e);
            return Optional.empty();
        }
    }

    /** Writes a script that runs a program within the cgroup. */
    Path wrap(Path program) throws IOException {
        Path script = Files.createTempFile(
                "datainf", ".sh", PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        script.toFile().deleteOnExit();
        Files.writeString(script, """
                #!/bin/sh
                echo $$ >'%s/cgroup.procs' && exec '%s' "$@"
                """.formatted(group, program));
        return script;
    }

    /** Removes the cgroup, whose processes have ended. */
    @Override
    public void close() {
        try {
            Files.deleteIfExists(group);
        } catch (IOException e) {
            System.err.println("cannot remove " + group + ": " + e);
        }
    }
}
