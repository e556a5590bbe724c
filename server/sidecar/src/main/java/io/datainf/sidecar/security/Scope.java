package io.datainf.sidecar.security;

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

    /** The name in files and messages. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
