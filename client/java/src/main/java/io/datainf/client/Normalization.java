package io.datainf.client;

/** How scores are scaled. */
public enum Normalization {
    /** The score itself. */
    RAW(io.datainf.proto.v1.Normalization.NORMALIZATION_RAW),
    /** score_k / (|h| |g_k|). */
    COSINE(io.datainf.proto.v1.Normalization.NORMALIZATION_COSINE),
    /** score_k / sqrt(-self_influence_k); needs {@link AnalysisClient#selfInfluence} of all samples beforehand. */
    RELATIF(io.datainf.proto.v1.Normalization.NORMALIZATION_RELATIF);

    private final io.datainf.proto.v1.Normalization proto;

    Normalization(io.datainf.proto.v1.Normalization proto) {
        this.proto = proto;
    }

    io.datainf.proto.v1.Normalization proto() {
        return proto;
    }
}
