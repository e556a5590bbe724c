package io.datainf.sidecar.server;

import java.nio.file.FileSystemException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code datainf-server}. Exit codes: 0 done, 1 failed, 2 wrong usage. */
@Command(
        name = "datainf-server",
        description = {
            "Stores per-sample LoRA gradients of a training run and answers which of the samples"
                    + " influenced a validation point.",
            ""
        },
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class,
        usageHelpAutoWidth = true)
@SuppressWarnings("NullAway.Init") // picocli sets the field
public final class Main implements Runnable {

    private static final Logger LOG = LoggerFactory.getLogger(Main.class);

    @Spec
    private CommandSpec spec;

    private Main() {}

    /** Runs the command and exits. */
    public static void main(String[] arguments) {
        System.exit(run(arguments, System.getenv()));
    }

    /** Runs the command; returns its exit code. */
    static int run(String[] arguments, Map<String, String> environment) {
        return run(commandLine(), arguments, environment);
    }

    static int run(CommandLine main, String[] arguments, Map<String, String> environment) {
        try {
            for (CommandLine command : withOptionsOfServe(main)) {
                command.setDefaultValueProvider(ConfigFile.of(command, arguments, environment));
            }
            CommandLine serve = Objects.requireNonNull(main.getSubcommands().get("serve"));
            Objects.requireNonNull(main.getSubcommands().get("health"))
                    .setDefaultValueProvider(ConfigFile.of(serve, arguments, environment));
        } catch (ParameterException e) {
            main.getErr().println("datainf-server: " + e.getMessage());
            return CommandLine.ExitCode.USAGE;
        }
        return main.execute(arguments);
    }

    /** Returns the parser of the command line. */
    static CommandLine commandLine() {
        CommandLine main = new CommandLine(new Main());
        main.addSubcommand(new ServeCommand());
        main.addSubcommand(new DoctorCommand());
        main.addSubcommand(new EnginesCommand());
        main.addSubcommand(new CommandLine(new ConfigCommand()).addSubcommand(new ConfigCommand.Validate()));
        CommandLine health = new CommandLine(new HealthCommand());
        main.addSubcommand(health);
        main.addSubcommand(new VerifyCommand());
        main.addSubcommand(new CompactCommand());
        main.addSubcommand(new TokenCommand());
        OptionTypes.register(health);
        for (CommandLine command : withOptionsOfServe(main)) {
            command.getCommandSpec().versionProvider(new Version());
            OptionTypes.register(command);
        }
        main.setParameterExceptionHandler((e, arguments) -> {
            CommandLine command = e.getCommandLine();
            command.getErr().println("datainf-server: " + e.getMessage());
            command.getErr()
                    .println("Try '%s --help'."
                            .formatted(command.getCommandSpec().qualifiedName()));
            return CommandLine.ExitCode.USAGE;
        });
        main.setExecutionExceptionHandler((e, command, result) -> {
            LOG.debug("failed", e);
            // The message of a file system's exception is often the bare path.
            Object problem = e instanceof FileSystemException ? e : e.getMessage();
            command.getErr().println("datainf-server: " + problem);
            return CommandLine.ExitCode.SOFTWARE;
        });
        return main;
    }

    private static List<CommandLine> withOptionsOfServe(CommandLine main) {
        Map<String, CommandLine> commands = main.getSubcommands();
        return Stream.of(
                        commands.get("serve"),
                        commands.get("doctor"),
                        Objects.requireNonNull(commands.get("config"))
                                .getSubcommands()
                                .get("validate"))
                .map(Objects::requireNonNull)
                .toList();
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(),
                "a command is missing: expected serve, health, doctor, config, verify, compact or token");
    }

    /** Our version, from the manifest of our jar. */
    static final class Version implements IVersionProvider {

        @Override
        public String[] getVersion() {
            return new String[] {"datainf-server " + version()};
        }

        static String version() {
            // Null when run from a folder of classes instead of the jar.
            @Nullable String version = Main.class.getPackage().getImplementationVersion();
            return version == null ? "development" : version;
        }
    }
}
