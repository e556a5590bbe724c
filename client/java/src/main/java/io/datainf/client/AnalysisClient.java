package io.datainf.client;

import io.datainf.proto.v1.AllSamples;
import io.datainf.proto.v1.AnalysisServiceGrpc;
import io.datainf.proto.v1.CompareMethodsSpec;
import io.datainf.proto.v1.ComputeSelfInfluenceRequest;
import io.datainf.proto.v1.ComputeSelfInfluenceResponse;
import io.datainf.proto.v1.Damping;
import io.datainf.proto.v1.Estimate;
import io.datainf.proto.v1.GetSquaredNormsRequest;
import io.datainf.proto.v1.GetSquaredNormsResponse;
import io.datainf.proto.v1.GivenSamples;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.ScoreChunk;
import io.datainf.proto.v1.Summary;
import io.grpc.Channel;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.function.DoubleConsumer;
import java.util.function.Supplier;

/**
 * Looks at a run as a whole; see {@link DataInfClient#analysis}. Jobs can take long and have no time limit: an interrupt of the
 * calling thread ends them, at the server too.
 *
 * <p>Every method throws {@link DataInfException}; its code says why.
 */
public final class AnalysisClient {
    private final Channel channel;

    AnalysisClient(Channel channel) {
        this.channel = channel;
    }

    /**
     * Returns how much all samples influence their own loss, at the run's damping. This is n times the work of a query: see
     * {@link #selfInfluenceCost}. The server keeps the result as long as the run stays at its revision.
     *
     * @param onProgress told the share of the work done, 0 to 1, on the calling thread
     */
    public SelfInfluence selfInfluence(String runId, DoubleConsumer onProgress) {
        return compute(all(runId).build(), onProgress);
    }

    /** The same with another damping scale than the run's. */
    public SelfInfluence selfInfluence(String runId, double dampingScale, DoubleConsumer onProgress) {
        ComputeSelfInfluenceRequest request = all(runId)
                .setDamping(Damping.newBuilder().setScale(dampingScale))
                .build();
        return compute(request, onProgress);
    }

    /** Returns how much these samples influence their own loss, at the run's damping, in the order given. */
    public SelfInfluence selfInfluenceOf(String runId, long... sampleIds) {
        ComputeSelfInfluenceRequest request = ComputeSelfInfluenceRequest.newBuilder()
                .setRunId(runId)
                .setGiven(GivenSamples.newBuilder()
                        .addAllSampleIds(Arrays.stream(sampleIds).boxed().toList()))
                .build();
        return compute(request, fraction -> {});
    }

    /** Returns what {@link #selfInfluence} would cost, without computing it. */
    public SelfInfluence.Cost selfInfluenceCost(String runId) {
        ComputeSelfInfluenceRequest request = all(runId).setEstimateOnly(true).build();
        return answer(() -> cost(stub().computeSelfInfluence(request).next().getEstimate()));
    }

    /**
     * Compares methods with EXACT on the validation points of a query, with its damping and options. Its method, selection and
     * normalization do not matter.
     *
     * @param methods none for DATAINF, HESSIAN_FREE and LISSA
     */
    public MethodComparison compareMethods(InfluenceQuery query, InfluenceMethod... methods)
            throws InterruptedException {
        QuerySpec asked = query.spec();
        CompareMethodsSpec.Builder spec =
                CompareMethodsSpec.newBuilder().setRunId(asked.getRunId()).setMinRevision(asked.getMinRevision());
        if (asked.hasStoredSamples()) {
            spec.setStoredSamples(asked.getStoredSamples());
        } else {
            spec.setValidationGradients(asked.getValidationGradients());
        }
        if (asked.getDampingsCount() > 1) {
            throw new IllegalArgumentException(
                    "the query has " + asked.getDampingsCount() + " dampings: expected at most one");
        }
        asked.getDampingsList().forEach(spec::setDamping);
        if (asked.hasLissa()) {
            spec.setLissa(asked.getLissa());
        }
        if (asked.hasExact()) {
            spec.setExact(asked.getExact());
        }
        for (InfluenceMethod method : methods) {
            spec.addMethods(method.proto());
        }
        ComparisonCall call = new ComparisonCall(spec.build(), query.gradients());
        AnalysisServiceGrpc.newStub(channel).compareMethods(call);
        return call.run();
    }

    /** Returns |g_k|^2 of each sample: the cheapest baseline, for it reads no gradient. */
    public SquaredNorms squaredNorms(String runId) {
        GetSquaredNormsRequest request =
                GetSquaredNormsRequest.newBuilder().setRunId(runId).build();
        return answer(() -> {
            long revision = 0;
            List<ScoreChunk> chunks = new ArrayList<>();
            Iterator<GetSquaredNormsResponse> responses = stub().getSquaredNorms(request);
            while (responses.hasNext()) {
                GetSquaredNormsResponse response = responses.next();
                if (response.hasHeader()) {
                    revision = response.getHeader().getRevision();
                } else {
                    chunks.add(response.getSquaredNorms());
                }
            }
            return new SquaredNorms(revision, Decoding.join(chunks));
        });
    }

    private static ComputeSelfInfluenceRequest.Builder all(String runId) {
        return ComputeSelfInfluenceRequest.newBuilder().setRunId(runId).setAll(AllSamples.getDefaultInstance());
    }

    private SelfInfluence compute(ComputeSelfInfluenceRequest request, DoubleConsumer onProgress) {
        return answer(() -> {
            Estimate estimate = Estimate.getDefaultInstance();
            io.datainf.proto.v1.Snapshot snapshot = io.datainf.proto.v1.Snapshot.getDefaultInstance();
            Summary summary = Summary.getDefaultInstance();
            List<ScoreChunk> chunks = new ArrayList<>();
            Iterator<ComputeSelfInfluenceResponse> responses = stub().computeSelfInfluence(request);
            while (responses.hasNext()) {
                ComputeSelfInfluenceResponse response = responses.next();
                switch (response.getPartCase()) {
                    case ESTIMATE -> estimate = response.getEstimate();
                    case PROGRESS -> onProgress.accept(response.getProgress().getFraction());
                    case SNAPSHOT -> snapshot = response.getSnapshot();
                    case SCORES -> chunks.add(response.getScores());
                    case SUMMARY -> summary = response.getSummary();
                    case PART_NOT_SET -> {}
                }
            }
            return new SelfInfluence(
                    Decoding.snapshot(snapshot, 0),
                    Decoding.join(chunks),
                    cost(estimate),
                    Decoding.duration(summary.getComputeDuration()));
        });
    }

    private static SelfInfluence.Cost cost(Estimate estimate) {
        return new SelfInfluence.Cost(
                estimate.getMultiplications(),
                Decoding.duration(estimate.getComputeDuration()),
                estimate.getJobCountAhead());
    }

    private AnalysisServiceGrpc.AnalysisServiceBlockingStub stub() {
        return AnalysisServiceGrpc.newBlockingStub(channel);
    }

    private static <T> T answer(Supplier<T> call) {
        try {
            return call.get();
        } catch (StatusRuntimeException e) {
            throw DataInfException.of(e);
        }
    }
}
