package io.datainf.sidecar.rpc;

import io.datainf.sidecar.query.Normalization;
import java.util.List;

/** Translates normalizations from the protocol. */
final class Normalizations {

    /** All that queries may name. */
    static final List<io.datainf.proto.v1.Normalization> OFFERED = List.of(
            io.datainf.proto.v1.Normalization.NORMALIZATION_RAW,
            io.datainf.proto.v1.Normalization.NORMALIZATION_COSINE,
            io.datainf.proto.v1.Normalization.NORMALIZATION_RELATIF);

    private Normalizations() {}

    /**
     * Returns the normalization, RAW when unspecified.
     *
     * @param number what the request says, for those of a later protocol
     * @throws UnsupportedRequestException if it is not offered
     */
    static Normalization decode(io.datainf.proto.v1.Normalization normalization, int number) {
        return switch (normalization) {
            case NORMALIZATION_UNSPECIFIED, NORMALIZATION_RAW -> Normalization.RAW;
            case NORMALIZATION_COSINE -> Normalization.COSINE;
            case NORMALIZATION_RELATIF -> Normalization.RELATIF;
            case UNRECOGNIZED ->
                throw new UnsupportedRequestException(
                        "normalization %d".formatted(number), "RAW, COSINE and RELATIF are");
        };
    }
}
