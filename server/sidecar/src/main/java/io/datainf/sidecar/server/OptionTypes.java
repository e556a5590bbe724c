package io.datainf.sidecar.server;

import io.datainf.engine.kernel.EngineKind;
import io.datainf.engine.store.Durability;
import io.datainf.sidecar.security.ByteSize;
import java.net.InetSocketAddress;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Duration;
import java.util.Arrays;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import picocli.CommandLine;
import picocli.CommandLine.TypeConversionException;

/** How texts on the command line become values. */
final class OptionTypes {

    private static final Pattern FILE_MODE = Pattern.compile("0?o?([0-7]{3})");
    private static final Pattern ADDRESS = Pattern.compile("(?:\\[([0-9A-Fa-f:.]+)]|([^:\\[\\]]+)):(\\d{1,5})");
    private static final int MAX_PORT = 65_535;

    private OptionTypes() {}

    /** Makes these types known to a command line. */
    static void register(CommandLine commandLine) {
        commandLine.registerConverter(ByteCount.class, OptionTypes::byteCount);
        commandLine.registerConverter(Seconds.class, OptionTypes::seconds);
        commandLine.registerConverter(FileMode.class, OptionTypes::fileMode);
        commandLine.registerConverter(InetSocketAddress.class, OptionTypes::address);
        commandLine.registerConverter(Durability.class, OptionTypes::durability);
        commandLine.registerConverter(EngineKind.class, OptionTypes::engine);
        commandLine.registerConverter(LogFormat.class, OptionTypes::logFormat);
    }

    /** A number of bytes. */
    record ByteCount(long bytes) {}

    /** A duration given in seconds. */
    record Seconds(Duration duration) {}

    /** Who may read, write and execute a file. */
    record FileMode(Set<PosixFilePermission> permissions) {}

    static ByteCount byteCount(String text) {
        try {
            return new ByteCount(ByteSize.parse(text));
        } catch (IllegalArgumentException e) {
            throw new TypeConversionException(String.valueOf(e.getMessage()));
        }
    }

    static Seconds seconds(String text) {
        try {
            return new Seconds(Duration.ofMillis(Math.round(1e3 * Double.parseDouble(text))));
        } catch (NumberFormatException e) {
            throw new TypeConversionException("'%s' is not a number of seconds".formatted(text));
        }
    }

    static FileMode fileMode(String text) {
        Matcher matcher = FILE_MODE.matcher(text);
        if (!matcher.matches()) {
            throw new TypeConversionException(
                    "'%s' is not a file mode: expected three octal digits, e.g. 0600 or 0660".formatted(text));
        }
        int bits = Integer.parseInt(matcher.group(1), 8);
        // The constants of the enum are in the order of the bits, the highest first.
        PosixFilePermission[] all = PosixFilePermission.values();
        return new FileMode(IntStream.range(0, all.length)
                .filter(i -> ((bits >> (all.length - 1 - i)) & 1) == 1)
                .mapToObj(i -> all[i])
                .collect(Collectors.toUnmodifiableSet()));
    }

    static Durability durability(String text) {
        return switch (text) {
            case "fsync" -> Durability.FSYNC;
            case "os" -> Durability.OS;
            case "none" -> Durability.NONE;
            default ->
                throw new TypeConversionException(
                        "'%s' is not a durability: expected fsync, os or none".formatted(text));
        };
    }

    static LogFormat logFormat(String text) {
        return switch (text) {
            case "text" -> LogFormat.TEXT;
            case "json" -> LogFormat.JSON;
            default ->
                throw new TypeConversionException("'%s' is not a log format: expected text or json".formatted(text));
        };
    }

    static EngineKind engine(String text) {
        return Arrays.stream(EngineKind.values())
                .filter(kind -> kind.toString().equals(text))
                .findFirst()
                .orElseThrow(() -> new TypeConversionException("'%s' is not an engine: expected one of %s"
                        .formatted(
                                text,
                                Arrays.stream(EngineKind.values())
                                        .map(EngineKind::toString)
                                        .collect(Collectors.joining(", ")))));
    }

    static InetSocketAddress address(String text) {
        Matcher matcher = ADDRESS.matcher(text);
        if (!matcher.matches() || Integer.parseInt(matcher.group(3)) > MAX_PORT) {
            throw new TypeConversionException(
                    "'%s' is not an address: expected HOST:PORT, e.g. 127.0.0.1:50051 or [::1]:50051".formatted(text));
        }
        String host = matcher.group(1) == null ? matcher.group(2) : matcher.group(1);
        return new InetSocketAddress(host, Integer.parseInt(matcher.group(3)));
    }
}
