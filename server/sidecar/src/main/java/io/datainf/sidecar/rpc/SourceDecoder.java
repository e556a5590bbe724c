package io.datainf.sidecar.rpc;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.proto.v1.ValidationGradients;
import io.datainf.sidecar.query.QueryExecutor;
import io.datainf.sidecar.query.QuerySource;
import io.datainf.sidecar.query.StoredSamples;
import java.util.List;

/** Checks whose influence is asked for. */
final class SourceDecoder {

    private final QueryExecutor executor;
    private final RpcLimits limits;

    SourceDecoder(QueryExecutor executor, RpcLimits limits) {
        this.executor = executor;
        this.limits = limits;
    }

    /** A checked source, or one with violations. */
    record Source(boolean stored, io.datainf.proto.v1.StoredSamples samples, int count, ElementType elementType) {}

    /** Checks a source; {@code sent} and {@code stored} say which of the two the request has. */
    static Source check(
            boolean sent,
            ValidationGradients gradients,
            boolean stored,
            io.datainf.proto.v1.StoredSamples samples,
            InvalidRequestException.Collector violations) {
        ElementType elementType = ElementTypes.decode(
                gradients.getElementType(),
                gradients.getElementTypeValue(),
                "spec.validation_gradients.element_type",
                violations);
        int count = stored ? samples.getSampleIdsCount() : gradients.getCount();
        if (!sent && !stored) {
            violations.add("spec.source", "spec.source is empty: expected validation_gradients or stored_samples");
        } else if (stored) {
            violations.require(
                    count >= 1,
                    "spec.stored_samples.sample_ids",
                    "spec.stored_samples.sample_ids is empty: expected at least 1 id");
        } else {
            violations.require(
                    count >= 1,
                    "spec.validation_gradients.count",
                    "spec.validation_gradients.count is %d: expected at least 1",
                    count);
        }
        return new Source(stored, samples, count, elementType);
    }

    /**
     * Returns a source without violations. Sent gradients are still to be filled and hold memory from here on.
     *
     * @throws RequestTooLargeException if it has more elements than the server computes
     * @throws io.datainf.sidecar.query.QueryMemoryException if memory for queries is taken
     */
    QuerySource open(Source source, BlockLayout layout) {
        long elements = (long) source.count() * layout.dimension();
        if (elements > limits.maxQueryElements()) {
            throw new RequestTooLargeException("the query has %d elements (count %d * D %d): expected at most %d"
                    .formatted(elements, source.count(), layout.dimension(), limits.maxQueryElements()));
        }
        return source.stored()
                ? new StoredSamples(ids(source.samples().getSampleIdsList()))
                : executor.allocate(layout, source.count(), source.elementType());
    }

    static long[] ids(List<Long> ids) {
        return ids.stream().mapToLong(Long::longValue).toArray();
    }
}
