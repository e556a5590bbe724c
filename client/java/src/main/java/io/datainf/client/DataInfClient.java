package io.datainf.client;

import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.datainf.client.Channels.Connection;
import io.datainf.proto.v1.AllSamples;
import io.datainf.proto.v1.CreateRunRequest;
import io.datainf.proto.v1.DeleteRunRequest;
import io.datainf.proto.v1.DeleteSamplesRequest;
import io.datainf.proto.v1.DeleteSamplesResponse;
import io.datainf.proto.v1.GetRunRequest;
import io.datainf.proto.v1.GetStatisticsRequest;
import io.datainf.proto.v1.GivenSamples;
import io.datainf.proto.v1.InfluenceServiceGrpc;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.datainf.proto.v1.ReadSamplesRequest;
import io.datainf.proto.v1.RunServiceGrpc;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Collection;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * A connection to the sidecar. Safe for several threads; one is enough for a program.
 *
 * <pre>{@code
 * try (DataInfClient client = DataInfClient.connect("127.0.0.1:50051")) {
 *     RunDescription run = client.createRun(RunDefinition.builder("digits")
 *             .block("base_model.model.fc1.lora_A.weight", 4, 64)
 *             .block("base_model.model.fc1.lora_B.weight", 4, 256)
 *             .build());
 *     try (SampleWriter writer = client.openWriter(run)) {
 *         writer.add(17, gradient);
 *     }
 *     InfluenceAnswer answer = client.query(InfluenceQuery.forGradients("digits", validationGradient)
 *             .top(10, Ranking.MOST_HARMFUL)
 *             .build());
 * }
 * }</pre>
 *
 * <p>Every method that calls the server throws {@link DataInfException}; its code says why.
 */
public final class DataInfClient implements AutoCloseable {
    private static final Duration CALL_TIMEOUT = Duration.ofSeconds(30);
    private static final int CLOSE_SECONDS = 10;

    private final Connection connection;

    private DataInfClient(Connection connection) {
        this.connection = connection;
    }

    /**
     * Makes a client; connects when first used.
     *
     * @param target "unix:/path", which costs less for a server on the same machine, or "host:port"; in plain text. For TLS or
     *     tokens see {@link #using}
     */
    public static DataInfClient connect(String target) {
        return new DataInfClient(Channels.connect(requireNonNull(target, "target")));
    }

    /** Makes a client of a channel with credentials, interceptors or limits of its own; closing closes the channel. */
    public static DataInfClient using(ManagedChannel channel) {
        return new DataInfClient(new Connection(requireNonNull(channel, "channel"), null));
    }

    /** Creates a run, or returns the existing one if its definition is equal; ALREADY_EXISTS if it is another. */
    @CanIgnoreReturnValue
    public RunDescription createRun(RunDefinition definition) {
        CreateRunRequest request =
                CreateRunRequest.newBuilder().setRun(definition.toProto()).build();
        return RunDescription.of(call(() -> runs().createRun(request)).getRun());
    }

    /** Returns a run as it is now; NOT_FOUND if there is none. */
    public RunDescription getRun(String runId) {
        GetRunRequest request = GetRunRequest.newBuilder().setRunId(runId).build();
        return RunDescription.of(call(() -> runs().getRun(request)).getRun());
    }

    /** Deletes a run with all of its samples; NOT_FOUND if there is none. */
    public void deleteRun(String runId) {
        DeleteRunRequest request = DeleteRunRequest.newBuilder().setRunId(runId).build();
        call(() -> runs().deleteRun(request));
    }

    /**
     * Deletes samples, durably and all at once; NOT_FOUND if there is no such run. Afterwards scores are those of a run that never
     * held them. May be repeated. Only a writer with {@link WriterOptions#withAllowDeleted} brings a deleted sample back.
     *
     * @param sampleIds 1 to 100,000 ids
     */
    @CanIgnoreReturnValue
    public Deletion deleteSamples(String runId, Collection<Long> sampleIds) {
        DeleteSamplesRequest request = DeleteSamplesRequest.newBuilder()
                .setRunId(runId)
                .addAllSampleIds(sampleIds)
                .build();
        DeleteSamplesResponse response = call(() -> IngestServiceGrpc.newBlockingStub(connection.channel())
                .withDeadlineAfter(CALL_TIMEOUT.toSeconds(), TimeUnit.SECONDS)
                .deleteSamples(request));
        return new Deletion(response.getDeletedCount(), response.getAbsentCount(), response.getRevision());
    }

    /** Returns the statistics of each block now. */
    public RunStatistics statistics(String runId) {
        GetStatisticsRequest request =
                GetStatisticsRequest.newBuilder().setRunId(runId).build();
        return RunStatistics.of(call(() -> runs().getStatistics(request)));
    }

    /** Opens a writer with {@link WriterOptions#defaults}. */
    public SampleWriter openWriter(RunDescription run) throws InterruptedException {
        return openWriter(run, WriterOptions.defaults());
    }

    /**
     * Opens a writer; waits until the server is ready for it.
     *
     * @param run what {@link #createRun} or {@link #getRun} returned
     * @param options how it batches, buffers and tries again
     */
    public SampleWriter openWriter(RunDescription run, WriterOptions options) throws InterruptedException {
        return SampleWriter.open(connection.channel(), run, options);
    }

    /** Asks, and waits for the whole answer; an interrupt cancels the query at the server. */
    public InfluenceAnswer query(InfluenceQuery query) throws InterruptedException {
        InfluenceCall call = new InfluenceCall(query);
        InfluenceServiceGrpc.newStub(connection.channel())
                .withDeadlineAfter(query.timeout().toNanos(), TimeUnit.NANOSECONDS)
                .queryStream(call);
        call.start();
        return call.await();
    }

    /**
     * Reads all samples of a run back, in the order in which they were stored, as of its newest revision. No time limit: close the
     * reader. NOT_FOUND if there is no such run.
     */
    public SampleReader readSamples(String runId) {
        return SampleReader.open(
                connection.channel(),
                ReadSamplesRequest.newBuilder()
                        .setRunId(runId)
                        .setAll(AllSamples.getDefaultInstance())
                        .build());
    }

    /** Reads these samples back, in this order; NOT_FOUND if the run does not hold one of them. See {@link #readSamples(String)}. */
    public SampleReader readSamples(String runId, Collection<Long> sampleIds) {
        return SampleReader.open(
                connection.channel(),
                ReadSamplesRequest.newBuilder()
                        .setRunId(runId)
                        .setGiven(GivenSamples.newBuilder().addAllSampleIds(sampleIds))
                        .build());
    }

    /** Looks at runs as a whole: self-influence, comparison of methods, squared norms. */
    public AnalysisClient analysis() {
        return new AnalysisClient(connection.channel());
    }

    /** Ends the connection. Close writers first: their unacked samples are lost otherwise. */
    @Override
    public void close() {
        connection.close(CLOSE_SECONDS);
    }

    private RunServiceGrpc.RunServiceBlockingStub runs() {
        return RunServiceGrpc.newBlockingStub(connection.channel())
                .withDeadlineAfter(CALL_TIMEOUT.toSeconds(), TimeUnit.SECONDS);
    }

    private static <T> T call(Supplier<T> rpc) {
        try {
            return rpc.get();
        } catch (StatusRuntimeException e) {
            throw DataInfException.of(e);
        }
    }
}
