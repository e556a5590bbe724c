package io.datainf.sidecar.rpc;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.sidecar.query.QueryPlan;
import io.datainf.sidecar.query.ValidationGradients;

/** Turns a whole request into a plan with its gradients. */
final class QueryRequests {

    private static final String GRADIENTS = "gradients";

    private QueryRequests() {}

    /**
     * Returns the plan, which the caller submits.
     *
     * @throws RuntimeException of the kinds of {@link QueryDecoder#decode}, or if the gradients are not those of the spec
     */
    static QueryPlan plan(QueryRequest request, QueryDecoder decoder) {
        QueryPlan plan = decoder.decode(request.getSpec());
        try {
            fill(plan, request.getGradients());
            return plan;
        } catch (RuntimeException | Error e) {
            plan.close();
            throw e;
        }
    }

    private static void fill(QueryPlan plan, ByteString gradients) {
        if (!(plan.source() instanceof ValidationGradients points)) {
            if (!gradients.isEmpty()) {
                throw new InvalidRequestException(
                        GRADIENTS,
                        "gradients has %d bytes: expected none with stored_samples".formatted(gradients.size()));
            }
            return;
        }
        if (gradients.size() != points.wireBytes()) {
            throw new InvalidRequestException(
                    GRADIENTS,
                    "gradients has %d bytes: expected %d (%s)"
                            .formatted(gradients.size(), points.wireBytes(), points.describe()));
        }
        points.append(GRADIENTS, gradients.asReadOnlyByteBuffer());
    }
}
