package io.datainf.engine.run;

import java.util.List;

/** Samples were wanted that cannot be read. They have left the run: what comes next does without them. */
public final class UnreadableSamplesException extends RuntimeException {

    private static final long serialVersionUID = 1L;
    private static final int NAMED = 10;

    UnreadableSamplesException(RunId runId, List<Long> sampleIds, Throwable cause) {
        super(
                "%d samples of run '%s' are damaged and have been taken out of it, sample %s%s: ask again to do without them"
                        .formatted(
                                sampleIds.size(),
                                runId,
                                String.join(
                                        ", ",
                                        sampleIds.stream()
                                                .limit(NAMED)
                                                .map(Long::toUnsignedString)
                                                .toList()),
                                sampleIds.size() > NAMED ? " ..." : ""),
                cause);
    }
}
