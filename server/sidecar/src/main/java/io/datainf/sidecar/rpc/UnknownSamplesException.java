package io.datainf.sidecar.rpc;

import io.datainf.engine.run.RunId;
import java.util.Arrays;
import java.util.stream.Collectors;

/** Samples were asked for that the run does not hold. */
final class UnknownSamplesException extends RuntimeException {

    private static final long serialVersionUID = 1L;
    private static final int MOST_NAMED = 10;

    /** Names the first of them, of {@code askedCount} that were asked for. */
    UnknownSamplesException(RunId run, long[] sampleIds, int askedCount) {
        super("sample_ids: run '%s' does not hold %d of %d samples: %s%s"
                .formatted(
                        run,
                        sampleIds.length,
                        askedCount,
                        Arrays.stream(sampleIds)
                                .limit(MOST_NAMED)
                                .mapToObj(Long::toUnsignedString)
                                .collect(Collectors.joining(", ")),
                        sampleIds.length > MOST_NAMED ? ", ..." : ""));
    }
}
