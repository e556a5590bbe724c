package io.datainf.loadtests.report;

import java.util.Arrays;
import java.util.List;

/** The arguments of a suite: none, or {@code --quick}. */
public final class SuiteArguments {

    private static final String QUICK = "--quick";

    private SuiteArguments() {}

    /**
     * Whether less is to be measured, just to show that the suite runs.
     *
     * @throws IllegalArgumentException if there are other arguments
     */
    public static boolean quick(String[] arguments) {
        if (arguments.length > 0 && !List.of(QUICK).equals(Arrays.asList(arguments))) {
            throw new IllegalArgumentException(
                    "arguments are %s: expected none, or %s".formatted(Arrays.toString(arguments), QUICK));
        }
        return arguments.length > 0;
    }
}
