package io.datainf.sidecar.security;

import java.util.Arrays;
import java.util.Locale;

/** A kind of use that a token allows. None includes another. */
public enum Scope {
    /** Creating runs and streaming samples into them. */
    INGEST,
    /** Influence, analyses, statistics, and reading stored samples. */
    QUERY,
    /** Deleting runs and samples, and reflection. */
    ADMIN,
    /** Reading the metrics over HTTP. */
    METRICS;

    /**
     * Returns the scope of that label.
     *
     * @throws IllegalArgumentException if there is none
     */
    public static Scope of(String label) {
        return Arrays.stream(values())
                .filter(each -> each.label().equals(label))
                .findAny()
                .orElseThrow(() -> new IllegalArgumentException(
                        "scopes has '%s': expected ingest, query, admin or metrics".formatted(label)));
    }

    /** The name in files and messages. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
