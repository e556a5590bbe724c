package io.datainf.sidecar.server;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.kernel.EngineKind;
import io.datainf.engine.kernel.EngineOptions;
import io.datainf.engine.kernel.EngineUnavailableException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code engines}: what could compute here, and what is missing for the others. */
@Command(
        name = "engines",
        description = {
            "Lists the engines, and for those that cannot run here what they need. Each is opened and tested.",
            ""
        },
        mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class EnginesCommand implements Runnable {

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--cuda-libs",
            paramLabel = "DIR",
            split = ":",
            description = "Folders with CUDA's libraries, as of serve.")
    private List<Path> cudaLibraries = List.of();

    @Override
    public void run() {
        PrintWriter out = spec.commandLine().getOut();
        for (EngineKind kind : EngineKind.values()) {
            if (kind != EngineKind.AUTO) {
                out.printf("%-10s %s%n", kind, state(new EngineOptions(kind, OptionalLong.empty(), cudaLibraries)));
                out.flush();
            }
        }
    }

    private static String state(EngineOptions options) {
        try (InfluenceCalculator calculator = InfluenceCalculator.create(1, options)) {
            return calculator
                    .deviceFigures()
                    .map(device -> "can compute here, on a GPU with %d MiB".formatted(device.totalBytes() >> 20))
                    .orElse("can compute here");
        } catch (EngineUnavailableException e) {
            return String.valueOf(e.getMessage());
        }
    }
}
