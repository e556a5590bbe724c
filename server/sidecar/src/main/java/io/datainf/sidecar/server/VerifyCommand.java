package io.datainf.sidecar.server;

import io.datainf.engine.run.DataVerifier;
import java.nio.file.Files;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code datainf-server verify}: reads a data directory from end to end and says what is wrong with it. */
@Command(
        name = "verify",
        description = {
            "Checks every checksum of a data directory that no server uses, and the squared norms of all rows.",
            "Prints a line for each thing that is wrong, and a summary. Exit code 0 if nothing is, 1 otherwise.",
            ""
        },
        mixinStandardHelpOptions = true,
        usageHelpAutoWidth = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class VerifyCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Option(names = "--data-dir", paramLabel = "DIR", required = true, description = "The data directory.")
    private Path dataDirectory;

    @Override
    public Integer call() throws Exception {
        requireDirectory(dataDirectory);
        DataVerifier.Summary summary =
                DataVerifier.verify(dataDirectory, spec.commandLine().getOut()::println);
        spec.commandLine()
                .getOut()
                .printf(
                        "%d runs, %d sound rows, %d findings%n",
                        summary.runCount(), summary.rowCount(), summary.findingCount());
        spec.commandLine().getOut().flush();
        return summary.findingCount() == 0 ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
    }

    /** A command that looks at a directory must not make one because of a misspelt name. */
    static void requireDirectory(Path directory) throws NotDirectoryException {
        if (!Files.isDirectory(directory.resolve("runs"))) {
            throw new NotDirectoryException(directory + " is not a data directory: it has no folder 'runs'");
        }
    }
}
