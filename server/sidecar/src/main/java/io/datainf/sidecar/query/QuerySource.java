package io.datainf.sidecar.query;

/** Whose influence is asked for. */
public sealed interface QuerySource permits ValidationGradients, StoredSamples {

    /** Number of validation points, m. */
    int count();
}
