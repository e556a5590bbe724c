package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.rpc.Code;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.Block;
import io.datainf.proto.v1.BlockLayout;
import io.datainf.proto.v1.CreateRunRequest;
import io.datainf.sidecar.Await;
import io.datainf.sidecar.security.Quota;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What one client may take, and what it is told beyond. */
class ClientQuotaTest {

    private static final long MUCH = Long.MAX_VALUE;

    @TempDir
    private Path dataDirectory;

    @Test
    void streams_beyondTheQuota_areRefusedUntilOthersEnd() throws Exception {
        try (TestServer server = server(new Quota(2, MUCH, 10, MUCH))) {
            Run run = server.createRun("r1", 3);
            TestWriter first = TestWriter.open(server, run.definition(), "w1");
            TestWriter second = TestWriter.open(server, run.definition(), "w2");

            assertStatus(new TestWriter(server.channel).fails())
                    .is(Code.RESOURCE_EXHAUSTED, "STREAMS_QUOTA")
                    .says("has 2 calls in progress: expected at most 2")
                    .mayBeRetried();

            first.cancel();
            Await.until("the stream to end", () -> server.events.openStreams.get() == 1);
            TestWriter third = TestWriter.open(server, run.definition(), "w3");
            for (TestWriter writer : List.of(second, third)) {
                writer.halfClose();
                writer.endsWell();
            }
        }
    }

    @Test
    void runs_beyondTheQuota_areNotCreated() throws Exception {
        try (TestServer server = server(new Quota(10, MUCH, 1, MUCH))) {
            server.runService().createRun(create("r1"));
            server.runService().createRun(create("r1")); // is there: nothing more

            assertStatus(catchThrowable(() -> server.runService().createRun(create("r2"))))
                    .is(Code.RESOURCE_EXHAUSTED, "RUNS_QUOTA")
                    .says("there are 1, expected at most 1")
                    .mayBeRetried();
            assertThat(server.runs.list("", 10)).hasSize(1);
        }
    }

    @Test
    void samples_beyondTheDiskQuota_areRefusedAndNothingElseIs() throws Exception {
        try (TestServer server = server(new Quota(10, MUCH, 10, 0))) {
            Run run = server.createRun("r1", 3);
            TestWriter writer = TestWriter.open(server, run.definition(), "w1");
            writer.send(Wire.batch(1, 0, new float[3]));

            assertStatus(writer.fails())
                    .is(Code.RESOURCE_EXHAUSTED, "DISK_QUOTA")
                    .says("expected less than 0", "delete some")
                    .mayBeRetried();
            assertThat(run.sampleCount()).isZero();
            server.runService().createRun(create("r2"));
        }
    }

    @Test
    void bytesInFlight_beyondTheQuota_waitAndArriveAllTheSame() throws Exception {
        try (TestServer server = server(new Quota(10, 1, 10, MUCH))) {
            Run run = server.createRun("r1", 1_000);
            List<TestWriter> writers = new ArrayList<>();
            for (int w = 0; w < 4; w++) {
                writers.add(TestWriter.open(server, run.definition(), "w" + w));
            }
            for (int batch = 1; batch <= 5; batch++) {
                for (int w = 0; w < writers.size(); w++) {
                    writers.get(w).send(Wire.batch(batch, 100L * w + batch, new float[1_000]));
                }
            }
            for (TestWriter writer : writers) {
                writer.halfClose();
                assertThat(writer.endsWell()).isEqualTo(5);
            }
            assertThat(run.sampleCount()).isEqualTo(20);
            // One batch a stream may always be in progress.
            assertThat(server.events.greatestUnackedBytes.get()).isLessThanOrEqualTo(writers.size() * (4L * 1_000 + 8));
        }
    }

    private TestServer server(Quota quota) throws Exception {
        RpcLimits usual = RpcLimits.DEFAULT;
        return new TestServer(
                dataDirectory,
                new RpcLimits(
                        usual.maxMessageBytes(),
                        usual.maxUnackedBytes(),
                        usual.maxInFlightBytes(),
                        usual.maxQueryElements(),
                        quota));
    }

    private static CreateRunRequest create(String id) {
        return CreateRunRequest.newBuilder()
                .setRun(io.datainf.proto.v1.Run.newBuilder()
                        .setRunId(id)
                        .setLayout(BlockLayout.newBuilder()
                                .addBlocks(Block.newBuilder()
                                        .setName("b0")
                                        .setRows(1)
                                        .setColumns(3))))
                .build();
    }
}
