package io.datainf.sidecar.server;

import java.nio.file.Files;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The option of commands on a data directory that exists and that no server uses. */
@SuppressWarnings("NullAway.Init") // picocli sets the field
final class UnusedDataDirectory {

    @Option(names = "--data-dir", paramLabel = "DIR", required = true, description = "The data directory.")
    private Path path;

    /**
     * Returns the directory.
     *
     * @throws NotDirectoryException if it is none: such a command must not make one because of a misspelt name
     */
    Path path() throws NotDirectoryException {
        if (!Files.isDirectory(path.resolve("runs"))) {
            throw new NotDirectoryException(path + " is not a data directory: it has no folder 'runs'");
        }
        return path;
    }
}
