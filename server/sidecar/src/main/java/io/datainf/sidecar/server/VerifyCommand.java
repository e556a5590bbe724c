package io.datainf.sidecar.server;

import io.datainf.engine.run.DataVerifier;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
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

    @Mixin
    private UnusedDataDirectory dataDirectory;

    @Override
    public Integer call() throws Exception {
        DataVerifier.Summary summary =
                DataVerifier.verify(dataDirectory.path(), spec.commandLine().getOut()::println);
        spec.commandLine()
                .getOut()
                .printf(
                        "%d runs, %d sound rows, %d findings%n",
                        summary.runCount(), summary.rowCount(), summary.findingCount());
        spec.commandLine().getOut().flush();
        return summary.findingCount() == 0 ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
    }
}
