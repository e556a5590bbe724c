package io.datainf.sidecar.rpc;

import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.run.RunSnapshot;
import io.datainf.proto.v1.AnalysisServiceGrpc;
import io.datainf.proto.v1.CompareMethodsRequest;
import io.datainf.proto.v1.CompareMethodsResponse;
import io.datainf.proto.v1.ComputeSelfInfluenceRequest;
import io.datainf.proto.v1.ComputeSelfInfluenceResponse;
import io.datainf.proto.v1.Estimate;
import io.datainf.proto.v1.GetSquaredNormsRequest;
import io.datainf.proto.v1.GetSquaredNormsResponse;
import io.datainf.sidecar.query.AnalysisExecutor;
import io.datainf.sidecar.query.AnalysisListener;
import io.datainf.sidecar.query.JobEstimate;
import io.datainf.sidecar.query.SelfInfluenceAnswer;
import io.datainf.sidecar.query.SelfInfluencePlan;
import io.datainf.sidecar.query.Snapshots;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.concurrent.Executor;

/** Takes jobs over whole runs. */
final class AnalysisGrpcService extends AnalysisServiceGrpc.AnalysisServiceImplBase {

    private final RunRegistry runs;
    private final AnalysisExecutor analyses;
    private final AnalysisDecoder decoder;
    private final RpcLimits limits;
    private final DrainGate gate;
    private final Executor executor;

    /** Answers are sent on {@code executor}. */
    AnalysisGrpcService(
            RunRegistry runs,
            AnalysisExecutor analyses,
            AnalysisDecoder decoder,
            RpcLimits limits,
            DrainGate gate,
            Executor executor) {
        this.runs = runs;
        this.analyses = analyses;
        this.decoder = decoder;
        this.limits = limits;
        this.gate = gate;
        this.executor = executor;
    }

    @Override
    public void computeSelfInfluence(
            ComputeSelfInfluenceRequest request, StreamObserver<ComputeSelfInfluenceResponse> observer) {
        // What grpc-java passes to services is always of this class; so below.
        var call = (ServerCallStreamObserver<ComputeSelfInfluenceResponse>) observer;
        AnswerCall<ComputeSelfInfluenceResponse> answer = new AnswerCall<>(call, gate, executor);
        answer.begin(analyses::discardCancelled, () -> {
            SelfInfluencePlan plan = decoder.decode(request);
            ComputeSelfInfluenceResponse estimate = encode(analyses.estimate(plan));
            if (request.getEstimateOnly()) {
                answer.answered(Parts.of(List.of(estimate)));
            } else {
                answer.interim(estimate);
                analyses.submit(plan, answer::cancelled, listener(answer));
            }
        });
    }

    @Override
    public StreamObserver<CompareMethodsRequest> compareMethods(StreamObserver<CompareMethodsResponse> observer) {
        var call = (ServerCallStreamObserver<CompareMethodsResponse>) observer;
        AnswerCall<CompareMethodsResponse> answer = new AnswerCall<>(call, gate, executor);
        CompareMethodsCall comparison = new CompareMethodsCall(answer, analyses, decoder, limits);
        answer.begin(comparison::cancelled, () -> {});
        return comparison;
    }

    @Override
    public void getSquaredNorms(GetSquaredNormsRequest request, StreamObserver<GetSquaredNormsResponse> observer) {
        var call = (ServerCallStreamObserver<GetSquaredNormsResponse>) observer;
        AnswerCall<GetSquaredNormsResponse> answer = new AnswerCall<>(call, gate, executor);
        answer.begin(() -> {}, () -> answer.answered(squaredNorms(request)));
    }

    private SquaredNormsEncoder squaredNorms(GetSquaredNormsRequest request) {
        Run run = runs.get(RunIds.decode("run_id", request.getRunId()));
        InvalidRequestException.Collector violations = new InvalidRequestException.Collector();
        AnalysisDecoder.requireRevision("min_revision", request.getMinRevision(), violations);
        violations.throwIfAny();
        RunSnapshot snapshot = run.snapshot();
        try {
            Snapshots.requireRevision(snapshot, request.getMinRevision());
            return new SquaredNormsEncoder(snapshot, request.getPerBlock());
        } catch (RuntimeException | Error e) {
            snapshot.close();
            throw e;
        }
    }

    private static AnalysisListener<SelfInfluenceAnswer> listener(AnswerCall<ComputeSelfInfluenceResponse> call) {
        return new AnalysisListener<>() {
            @Override
            public void progressed(double fraction) {
                call.interim(ComputeSelfInfluenceResponse.newBuilder()
                        .setProgress(Encodings.progress(fraction))
                        .build());
            }

            @Override
            public void answered(SelfInfluenceAnswer answer) {
                call.answered(new SelfInfluenceEncoder(answer));
            }

            @Override
            public void failed(Throwable cause) {
                call.failed(cause);
            }
        };
    }

    private static ComputeSelfInfluenceResponse encode(JobEstimate estimate) {
        return ComputeSelfInfluenceResponse.newBuilder()
                .setEstimate(Estimate.newBuilder()
                        .setMultiplications(estimate.multiplications())
                        .setComputeDuration(Encodings.duration(estimate.computeNanos()))
                        .setJobCountAhead(estimate.jobsAhead()))
                .build();
    }
}
