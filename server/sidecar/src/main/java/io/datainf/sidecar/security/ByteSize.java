package io.datainf.sidecar.security;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sizes as people write them. */
public final class ByteSize {

    private static final Pattern TEXT = Pattern.compile("(\\d{1,18})\\s*(B|KIB|MIB|GIB|TIB)?");

    private ByteSize() {}

    /**
     * Returns a number of bytes.
     *
     * @param text a number, of bytes or with KiB, MiB, GiB or TiB
     * @throws IllegalArgumentException if it is something else
     */
    public static long parse(String text) {
        Matcher matcher = TEXT.matcher(text.trim().toUpperCase(Locale.ROOT));
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "'%s' is not a size: expected a number of bytes or one with KiB, MiB, GiB or TiB".formatted(text));
        }
        int power = switch (matcher.group(2)) {
            case "KIB" -> 1;
            case "MIB" -> 2;
            case "GIB" -> 3;
            case "TIB" -> 4;
            case null, default -> 0;
        };
        try {
            return Math.multiplyExact(Long.parseLong(matcher.group(1)), 1L << (10 * power));
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("'%s' is more than 2^63 bytes".formatted(text), e);
        }
    }
}
