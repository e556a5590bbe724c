package io.datainf.sidecar.rpc;

import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.run.RunSnapshot;
import io.datainf.proto.v1.ExportServiceGrpc;
import io.datainf.proto.v1.ReadSamplesRequest;
import io.datainf.proto.v1.ReadSamplesResponse;
import io.datainf.sidecar.query.Snapshots;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.stream.IntStream;

/** Gives stored samples back. */
final class ExportGrpcService extends ExportServiceGrpc.ExportServiceImplBase {

    private final RunRegistry runs;
    private final DrainGate gate;
    private final Executor executor;

    /** Samples are read and sent on {@code executor}. */
    ExportGrpcService(RunRegistry runs, DrainGate gate, Executor executor) {
        this.runs = runs;
        this.gate = gate;
        this.executor = executor;
    }

    @Override
    public void readSamples(ReadSamplesRequest request, StreamObserver<ReadSamplesResponse> observer) {
        // What grpc-java passes to services is always of this class.
        var call = (ServerCallStreamObserver<ReadSamplesResponse>) observer;
        AnswerCall<ReadSamplesResponse> answer = new AnswerCall<>(call, gate, executor);
        answer.begin(() -> {}, () -> answer.answered(samples(request)));
    }

    private StoredSampleEncoder samples(ReadSamplesRequest request) {
        Run run = runs.get(RunIds.decode("run_id", request.getRunId()));
        validate(request);
        RunSnapshot snapshot = run.snapshot();
        boolean handedOn = false;
        try {
            requireRevision(snapshot, request);
            StoredSampleEncoder encoder = new StoredSampleEncoder(run, snapshot, ordinals(snapshot, request));
            handedOn = true;
            return encoder;
        } finally {
            if (!handedOn) {
                snapshot.close();
            }
        }
    }

    private static void validate(ReadSamplesRequest request) {
        InvalidRequestException.Collector violations = new InvalidRequestException.Collector();
        switch (request.getSamplesCase()) {
            case ALL -> {}
            case GIVEN ->
                violations.require(
                        request.getGiven().getSampleIdsCount() >= 1,
                        "given.sample_ids",
                        "given.sample_ids is empty: expected at least 1 id");
            case SAMPLES_NOT_SET -> violations.add("samples", "samples is empty: expected all or given");
        }
        AnalysisDecoder.requireRevision("revision", request.getRevision(), violations);
        AnalysisDecoder.requireRevision("min_revision", request.getMinRevision(), violations);
        violations.require(
                request.getRevision() == 0 || request.getMinRevision() == 0,
                "revision",
                "revision is %d and min_revision is %d: expected at most one of them",
                request.getRevision(),
                request.getMinRevision());
        violations.throwIfAny();
    }

    private static void requireRevision(RunSnapshot snapshot, ReadSamplesRequest request) {
        Snapshots.requireRevision(snapshot, Math.max(request.getRevision(), request.getMinRevision()));
        if (request.getRevision() != 0 && request.getRevision() != snapshot.revision()) {
            throw new RevisionGoneException(snapshot.definition().id(), request.getRevision(), snapshot.revision());
        }
    }

    private static int[] ordinals(RunSnapshot snapshot, ReadSamplesRequest request) {
        if (request.hasAll()) {
            return IntStream.range(0, snapshot.samples().rowCount())
                    .filter(snapshot.samples()::live)
                    .toArray();
        }
        List<Long> ids = request.getGiven().getSampleIdsList();
        int[] ordinals = ids.stream().mapToInt(snapshot::ordinalOf).toArray();
        long[] unknown = IntStream.range(0, ordinals.length)
                .filter(i -> ordinals[i] < 0)
                .mapToLong(ids::get)
                .toArray();
        if (unknown.length > 0) {
            throw new UnknownSamplesException(snapshot.definition().id(), unknown, ordinals.length);
        }
        return ordinals;
    }
}
