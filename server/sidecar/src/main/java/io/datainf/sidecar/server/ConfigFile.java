package io.datainf.sidecar.server;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import picocli.CommandLine;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;

/**
 * Values of options that the command line does not give: from the environment ({@code DATAINF_DATA_DIR} for {@code --data-dir}),
 * else from the YAML file that {@value #OPTION} or {@code DATAINF_CONFIG} names.
 */
final class ConfigFile implements IDefaultValueProvider {

    static final String OPTION = "--config";
    private static final String PREFIX = "--";
    private static final Set<String> NOT_IN_FILE = Set.of(OPTION, "--help", "--version");

    private final Map<String, String> environment;
    private final Map<String, String> file;

    private ConfigFile(Map<String, String> environment, Map<String, String> file) {
        this.environment = environment;
        this.file = file;
    }

    /**
     * Reads the file that arguments or environment name, if any.
     *
     * @param command the command whose options the file may hold
     * @throws ParameterException if the file cannot be read, is no flat mapping or has keys that are no options
     */
    static ConfigFile of(CommandLine command, String[] arguments, Map<String, String> environment) {
        @Nullable String path = environment.get(variable(OPTION));
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i].equals(OPTION) && i + 1 < arguments.length) {
                path = arguments[i + 1];
            } else if (arguments[i].startsWith(OPTION + "=")) {
                path = arguments[i].substring(OPTION.length() + 1);
            }
        }
        return new ConfigFile(environment, path == null ? Map.of() : read(command, Path.of(path)));
    }

    @Override
    public @Nullable String defaultValue(ArgSpec argument) {
        if (!(argument instanceof OptionSpec option)) {
            return null;
        }
        @Nullable String value = environment.get(variable(option.longestName()));
        return value == null ? file.get(option.longestName()) : value;
    }

    /** Where the value of an option is from that the command line does not give. */
    String source(OptionSpec option) {
        if (environment.containsKey(variable(option.longestName()))) {
            return variable(option.longestName());
        }
        return file.containsKey(option.longestName()) ? "configuration file" : "default";
    }

    private static Map<String, String> read(CommandLine command, Path path) {
        Object document;
        try {
            document = new Load(LoadSettings.builder().setLabel(path.toString()).build())
                    .loadFromString(Files.readString(path));
        } catch (IOException | YamlEngineException e) {
            throw new ParameterException(command, "configuration file %s cannot be read: %s".formatted(path, e), e);
        }
        if (document == null) {
            return Map.of();
        }
        if (!(document instanceof Map<?, ?> entries)) {
            throw new ParameterException(
                    command, "configuration file %s: expected lines of the form 'data-dir: DIR'".formatted(path));
        }
        Set<String> known = optionNames(command.getCommandSpec());
        Map<String, String> values = new TreeMap<>();
        entries.forEach((key, value) -> {
            String option = PREFIX + key;
            if (!known.contains(option)) {
                throw new ParameterException(
                        command,
                        "configuration file %s has the unknown key '%s': expected one of %s"
                                .formatted(
                                        path,
                                        key,
                                        known.stream()
                                                .map(name -> name.substring(PREFIX.length()))
                                                .sorted()
                                                .collect(Collectors.joining(", "))));
            }
            if (value == null || value instanceof Iterable || value instanceof Map) {
                throw new ParameterException(
                        command, "configuration file %s: '%s' needs a single value".formatted(path, key));
            }
            values.put(option, value.toString());
        });
        return values;
    }

    private static Set<String> optionNames(CommandSpec spec) {
        return spec.options().stream()
                .map(OptionSpec::longestName)
                .filter(name -> !NOT_IN_FILE.contains(name))
                .collect(Collectors.toSet());
    }

    private static String variable(String option) {
        return "DATAINF_" + option.substring(PREFIX.length()).replace('-', '_').toUpperCase(Locale.ROOT);
    }
}
