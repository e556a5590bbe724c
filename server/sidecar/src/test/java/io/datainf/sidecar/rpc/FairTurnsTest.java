package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.run.Run;
import io.datainf.proto.v1.InfluenceServiceGrpc;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QueryResponse;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.StoredSamples;
import io.datainf.sidecar.Await;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.stub.BlockingClientCall;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Clients are told apart by their connection. */
class FairTurnsTest {

    private static final int MANY = 40;

    private TestServer server;
    private Run run;

    @BeforeEach
    void start(@TempDir Path dataDirectory) throws Exception {
        server = new TestServer(dataDirectory);
        run = RandomRun.create(server, "r1", RandomRun.rows(20, 1));
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private static BlockingClientCall<?, QueryResponse> call(Channel channel) {
        return InfluenceServiceGrpc.newBlockingV2Stub(channel)
                .query(QueryRequest.newBuilder()
                        .setSpec(QuerySpec.newBuilder()
                                .setRunId("r1")
                                .setStoredSamples(StoredSamples.newBuilder().addSampleIds(10)))
                        .build());
    }

    @Test
    void query_behindManyOfAnotherConnection_isInTheFirstBatch() throws Exception {
        ManagedChannel other = server.newChannel();
        Answer.read(call(other)); // connects: until then a blocking call sends only while it reads
        try (BusyExecutor busy = new BusyExecutor(server.queries, run, 10)) {
            List<BlockingClientCall<?, QueryResponse>> many = new ArrayList<>();
            for (int i = 0; i < MANY; i++) {
                many.add(call(server.channel));
            }
            Await.until("many to wait", () -> server.queries.queueDepth() == MANY);
            BlockingClientCall<?, QueryResponse> one = call(other);
            Await.until("one to wait", () -> server.queries.queueDepth() == MANY + 1);
            busy.letGo();
            // 32 of 41 are first, and the rest of 9 next.
            assertThat(Answer.read(one).summary().getBatchQueryCount()).isEqualTo(32);
            for (BlockingClientCall<?, QueryResponse> each : many) {
                Answer.read(each);
            }
            assertThat(server.events.batchWidths).containsSubsequence(32, 9);
        } finally {
            other.shutdownNow();
        }
    }
}
