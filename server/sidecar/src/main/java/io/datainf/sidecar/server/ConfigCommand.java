package io.datainf.sidecar.server;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code datainf-server config}: what is about options rather than servers. */
@Command(name = "config", description = "Checks options.", mixinStandardHelpOptions = true, usageHelpAutoWidth = true)
@SuppressWarnings("NullAway.Init") // picocli sets the field
final class ConfigCommand implements Runnable {

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is missing: expected validate");
    }

    /** {@code datainf-server config validate}: whether a server would take these options. */
    @Command(
            name = "validate",
            description = {
                "Checks the options of 'serve', from the same places (flags, environment, --config), and reads the files"
                        + " of certificates and tokens that they name. Starts nothing.",
                "Prints each option's value and where it is from. Exit code 0 if a server would take them, 1 if a file is"
                        + " wrong, 2 if an option is.",
                ""
            },
            mixinStandardHelpOptions = true,
            sortOptions = false,
            usageHelpAutoWidth = true)
    static final class Validate extends ServeCommand {

        @Override
        public Integer call() throws IOException {
            ServerConfig config = config();
            ServerSecurity.open(
                            config.listeners().security(), config.rpcLimits().client())
                    .close();
            spec().options().stream()
                    .filter(option -> !option.usageHelp() && !option.versionHelp())
                    .forEach(this::print);
            out().println("valid");
            out().flush();
            return CommandLine.ExitCode.OK;
        }

        private void print(OptionSpec option) {
            ConfigFile elsewhere = (ConfigFile) spec().defaultValueProvider();
            boolean flag = spec().commandLine().getParseResult().hasMatchedOption(option);
            @Nullable
            String value = flag ? String.join(" ", option.originalStringValues()) : elsewhere.defaultValue(option);
            out().printf(
                            "%-22s %-32s %s%n",
                            option.longestName(),
                            value == null ? String.valueOf(option.defaultValue()) : value,
                            flag ? "command line" : elsewhere.source(option));
        }
    }
}
