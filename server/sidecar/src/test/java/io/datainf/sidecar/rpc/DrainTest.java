package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.rpc.Code;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QueryResponse;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.QueryStreamRequest;
import io.datainf.proto.v1.QueryStreamResponse;
import io.datainf.proto.v1.StoredSamples;
import io.datainf.sidecar.Await;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.BlockingClientCall;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DrainTest {

    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private TestServer server;
    private Run run;

    @BeforeEach
    void start(@TempDir Path dataDirectory) throws Exception {
        server = new TestServer(dataDirectory);
        run = server.createRun("r1", 2);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private ServingStatus health(String service) throws Exception {
        return HealthGrpc.newBlockingV2Stub(server.channel)
                .check(HealthCheckRequest.newBuilder().setService(service).build())
                .getStatus();
    }

    private static QuerySpec.Builder spec() {
        return QuerySpec.newBuilder()
                .setRunId("r1")
                .setStoredSamples(StoredSamples.newBuilder().addSampleIds(1));
    }

    private BlockingClientCall<?, QueryResponse> query() {
        return server.influenceService()
                .query(QueryRequest.newBuilder().setSpec(spec()).build());
    }

    private static void assertStopping(Throwable thrown) {
        assertStatus(thrown).is(Code.UNAVAILABLE, "SERVER_STOPPING").mayBeRetried();
    }

    @Test
    void beginDrain_health_isNotServing() throws Exception {
        assertThat(health("")).isEqualTo(ServingStatus.SERVING);
        assertThat(health(IngestServiceGrpc.SERVICE_NAME)).isEqualTo(ServingStatus.SERVING);
        server.frontend.beginDrain();
        server.frontend.beginDrain();
        assertThat(health("")).isEqualTo(ServingStatus.NOT_SERVING);
        assertThat(health(IngestServiceGrpc.SERVICE_NAME)).isEqualTo(ServingStatus.NOT_SERVING);
    }

    @Test
    void beginDrain_writers_getTheirAcksAndUnavailable() throws Exception {
        TestWriter writer = TestWriter.open(server, run.definition(), "w");
        for (int i = 1; i <= 20; i++) {
            writer.send(Wire.batch(i, i, new float[] {i, 1}));
        }
        Await.until("the batches to arrive", () -> server.events.receivedBatches.get() == 20);
        TestWriter partial = TestWriter.open(server, run.definition(), "partial");
        partial.send(Wire.fragment(1, 99, new float[] {1, 2}, 0, 1));
        TestWriter unopened = new TestWriter(server.channel);
        Await.until("the batches to be durable", () -> run.sampleCount() == 20);

        server.frontend.beginDrain();

        writer.ackOf(20);
        assertStopping(writer.fails());
        assertStopping(partial.fails());
        assertStopping(unopened.fails());
        assertThat(server.frontend.awaitDrained(PATIENCE)).isTrue();
        assertThat(run.sampleCount()).isEqualTo(20);
    }

    @Test
    void afterDrain_newStreamsAndQueries_areRefused() throws Exception {
        server.frontend.beginDrain();
        assertStopping(new TestWriter(server.channel).fails());
        assertStopping(catchThrowable(() -> Answer.read(query())));
        assertStopping(
                catchThrowable(() -> server.influenceService().queryStream().read(20, TimeUnit.SECONDS)));
        assertThat(server.frontend.awaitDrained(PATIENCE)).isTrue();
    }

    @Test
    void beginDrain_queriesThatAreIn_areAnswered() throws Exception {
        TestWriter writer = TestWriter.open(server, run.definition(), "w");
        writer.send(Wire.batch(1, 1, new float[] {1, 2}));
        writer.ackOf(1);
        BlockingClientCall<QueryStreamRequest, QueryStreamResponse> stream =
                server.influenceService().queryStream();
        try (BusyExecutor busy = new BusyExecutor(server.queries, run, 1)) {
            BlockingClientCall<?, QueryResponse> waiting = query();
            stream.write(QueryStreamRequest.newBuilder()
                    .setQueryId("a")
                    .setSpec(spec())
                    .build());
            Await.until("both queries to wait", () -> server.queries.queueDepth() == 2);

            server.frontend.beginDrain();

            assertThat(server.frontend.awaitDrained(Duration.ofMillis(1))).isFalse();
            busy.letGo();
            assertThat(Answer.read(waiting).scores(0)).hasSize(1);
        }
        Answer streamed = new Answer();
        while (true) {
            QueryStreamResponse part = stream.read(20, TimeUnit.SECONDS);
            assertThat(part).isNotNull();
            if (streamed.add(part)) {
                break;
            }
        }
        assertStopping(catchThrowable(() -> stream.read(20, TimeUnit.SECONDS)));
        assertThat(server.frontend.awaitDrained(PATIENCE)).isTrue();
    }
}
