package io.datainf.engine.run;

import java.util.regex.Pattern;

/**
 * The name of a run, safe as a directory name.
 *
 * @param value 1 to 64 characters out of A-Z, a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit
 */
public record RunId(String value) implements Comparable<RunId> {

    private static final Pattern VALID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

    public RunId {
        if (!valid(value)) {
            throw new IllegalArgumentException(("run_id is '%s': expected 1 to 64 characters out of A-Z a-z 0-9 . _ -,"
                            + " beginning with a letter or a digit")
                    .formatted(value));
        }
    }

    /** Whether this can be the name of a run. */
    static boolean valid(String value) {
        return VALID.matcher(value).matches();
    }

    @Override
    public int compareTo(RunId other) {
        return value.compareTo(other.value);
    }

    @Override
    public String toString() {
        return value;
    }
}
