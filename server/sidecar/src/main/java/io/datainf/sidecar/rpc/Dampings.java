package io.datainf.sidecar.rpc;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.FixedDamping;
import java.util.ArrayList;
import java.util.List;

/** Checks dampings of requests. */
final class Dampings {

    // The snapshot message names each damping of each block and must stay below what clients take.
    private static final long MAX_VALUES = 1 << 17;

    private Dampings() {}

    /**
     * Returns the dampings: the run's when none is given, and fewer than asked for if there are violations.
     *
     * @throws RequestTooLargeException if the answer would name too many values
     */
    static List<Damping> decodeAll(
            List<io.datainf.proto.v1.Damping> dampings, Run run, InvalidRequestException.Collector violations) {
        if (dampings.isEmpty()) {
            return List.of(ofRun(run));
        }
        int blockCount = run.definition().layout().blockCount();
        if ((long) dampings.size() * blockCount > MAX_VALUES) {
            throw new RequestTooLargeException(
                    "the query asks for %d dampings of %d blocks: expected a product of at most %d"
                            .formatted(dampings.size(), blockCount, MAX_VALUES));
        }
        List<Damping> decoded = new ArrayList<>();
        for (int i = 0; i < dampings.size(); i++) {
            decoded.add(decode(dampings.get(i), "spec.dampings[%d]".formatted(i), run, violations));
        }
        return decoded;
    }

    /** The damping of a query that names none. */
    static Damping ofRun(Run run) {
        return new Damping.Scaled(run.definition().dampingScale());
    }

    /** Returns one damping: the run's if there is a violation. */
    static Damping decode(
            io.datainf.proto.v1.Damping damping, String field, Run run, InvalidRequestException.Collector violations) {
        try {
            switch (damping.getKindCase()) {
                case SCALE -> {
                    return new Damping.Scaled(damping.getScale());
                }
                case FIXED -> {
                    return fixed(damping.getFixed(), run.definition().layout().blockCount());
                }
                case KIND_NOT_SET -> violations.add(field, field + " is empty: expected scale or fixed");
            }
        } catch (IllegalArgumentException e) {
            violations.add(field, String.valueOf(e.getMessage()));
        }
        return ofRun(run);
    }

    private static Damping fixed(FixedDamping damping, int blockCount) {
        if (damping.getValuesCount() != 1 && damping.getValuesCount() != blockCount) {
            throw new IllegalArgumentException("fixed damping has %d values: expected 1 or %d, one a block"
                    .formatted(damping.getValuesCount(), blockCount));
        }
        return new Damping.Fixed(damping.getValuesList().stream()
                .mapToDouble(Double::doubleValue)
                .toArray());
    }
}
