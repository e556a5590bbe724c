package io.datainf.sidecar.query;

/** How scores are scaled. */
public enum Normalization {
    /** The score itself. */
    RAW,
    /** score_k / (|h| |g_k|). */
    COSINE,
    /** score_k / sqrt(-self_influence_k). */
    RELATIF
}
