package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.CompareMethodsRequest;
import io.datainf.proto.v1.CompareMethodsResponse;
import io.datainf.proto.v1.GradientChunk;
import io.datainf.sidecar.query.AnalysisExecutor;
import io.datainf.sidecar.query.AnalysisListener;
import io.datainf.sidecar.query.ComparisonAnswer;
import io.datainf.sidecar.query.ComparisonPlan;
import io.datainf.sidecar.query.ValidationGradients;
import io.grpc.stub.StreamObserver;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One call of CompareMethods: collects the validation points, then compares. gRPC calls the observer methods one at a time. */
final class CompareMethodsCall implements StreamObserver<CompareMethodsRequest>, AnalysisListener<ComparisonAnswer> {

    private static final String GRADIENTS = "chunk.gradients";

    private final AnswerCall<CompareMethodsResponse> call;
    private final AnalysisExecutor analyses;
    private final AnalysisDecoder decoder;
    private final RpcLimits limits;
    // Guarded by this: what is collected, until it is submitted or let go.
    private @Nullable ComparisonPlan plan;
    private boolean ended;

    CompareMethodsCall(
            AnswerCall<CompareMethodsResponse> call,
            AnalysisExecutor analyses,
            AnalysisDecoder decoder,
            RpcLimits limits) {
        this.call = call;
        this.analyses = analyses;
        this.decoder = decoder;
        this.limits = limits;
    }

    @Override
    public synchronized void onNext(CompareMethodsRequest request) {
        if (ended) {
            return;
        }
        try {
            RequestTooLargeException.requireMessageBytes(request.getSerializedSize(), limits);
            take(request);
        } catch (RuntimeException | OutOfMemoryError e) {
            end(e);
        }
    }

    /** The client cancelled; the cancel handler has dealt with it. */
    @Override
    public void onError(Throwable cause) {}

    @Override
    public synchronized void onCompleted() {
        if (ended) {
            return;
        }
        ComparisonPlan complete = plan;
        try {
            if (complete == null) {
                throw new InvalidRequestException("spec", "the stream ended without a message: expected spec");
            }
            if (complete.source() instanceof ValidationGradients points && points.missingElements() > 0) {
                throw new InvalidRequestException(
                        GRADIENTS,
                        "the stream ended with %d elements of gradients missing (%s)"
                                .formatted(points.missingElements(), points.describe()));
            }
            ended = true;
            plan = null;
            analyses.submit(complete, call::cancelled, this);
        } catch (RuntimeException e) {
            end(e);
        }
    }

    @Override
    public void progressed(double fraction) {
        call.interim(CompareMethodsResponse.newBuilder()
                .setProgress(Encodings.progress(fraction))
                .build());
    }

    @Override
    public void answered(ComparisonAnswer answer) {
        call.answered(Parts.of(List.of(CompareMethodsResponse.newBuilder()
                .setComparison(ComparisonEncoder.encode(answer))
                .build())));
    }

    @Override
    public void failed(Throwable cause) {
        call.failed(cause);
    }

    /** Nobody waits any more. */
    void cancelled() {
        letGo();
        analyses.discardCancelled();
    }

    /** Needs the lock. */
    private void take(CompareMethodsRequest request) {
        switch (request.getPartCase()) {
            case SPEC -> {
                if (plan != null) {
                    throw new InvalidRequestException("spec", "spec came twice: expected chunks after the first");
                }
                plan = decoder.decode(request.getSpec());
            }
            case CHUNK -> append(request.getChunk());
            case PART_NOT_SET ->
                throw new InvalidRequestException("part", "the message is empty: expected spec or chunk");
        }
    }

    /** Needs the lock. */
    private void append(GradientChunk chunk) {
        if (plan == null || !(plan.source() instanceof ValidationGradients points)) {
            throw new InvalidRequestException(
                    "chunk", "a chunk came: expected one only after a spec with validation_gradients");
        }
        if (chunk.getElementOffset() != points.filledElements()) {
            throw new InvalidRequestException(
                    "chunk.element_offset",
                    "chunk.element_offset is %d: expected %d"
                            .formatted(chunk.getElementOffset(), points.filledElements()));
        }
        points.append(GRADIENTS, chunk.getGradients().asReadOnlyByteBuffer());
    }

    /** Needs the lock. */
    private void end(Throwable cause) {
        letGo();
        call.failed(cause);
    }

    private synchronized void letGo() {
        ended = true;
        if (plan != null) {
            plan.close();
            plan = null;
        }
    }
}
