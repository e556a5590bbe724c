package io.datainf.sidecar.security;

import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Somebody who calls, and what is allowed to them.
 *
 * @param name for logs and messages
 * @param scopes kinds of use
 * @param runs names of runs; {@code *} stands for any characters
 * @param quota how much of it
 */
public record Caller(String name, Set<Scope> scopes, List<String> runs, Quota quota) {

    /** Everything may be used. */
    public static final List<String> ALL_RUNS = List.of("*");

    public Caller {
        scopes = Set.copyOf(scopes);
        runs = List.copyOf(runs);
    }

    /** Returns somebody to whom everything is allowed, as far as the quota goes. */
    public static Caller trusted(String name, Quota quota) {
        return new Caller(name, EnumSet.allOf(Scope.class), ALL_RUNS, quota);
    }

    /** Whether one of the scopes is allowed. */
    public boolean mayAny(Collection<Scope> some) {
        return some.stream().anyMatch(scopes::contains);
    }

    /** Whether the run may be used, as far as scopes go. */
    public boolean mayUse(String runId) {
        return runs.stream().anyMatch(pattern -> matches(pattern, runId));
    }

    private static boolean matches(String pattern, String runId) {
        String expression = Pattern.compile("\\*")
                .splitAsStream(pattern + "\0")
                .map(Pattern::quote)
                .collect(Collectors.joining(".*"));
        return (runId + "\0").matches(expression);
    }
}
