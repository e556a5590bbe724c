package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.Block;
import io.datainf.proto.v1.BlockLayout;
import io.datainf.proto.v1.CreateRunRequest;
import io.datainf.proto.v1.GetRunRequest;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.Run;
import io.datainf.proto.v1.RunServiceGrpc;
import io.datainf.sidecar.Await;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The distribution as it is started by people, with its small heap, under many writers that send the largest messages. */
class ManyWritersIT {

    private static final Path LAUNCHER = Path.of("target", "datainf", "bin", "datainf-server");
    private static final Pattern PORT = Pattern.compile("\"grpc\"\\s*:\\s*\"127\\.0\\.0\\.1:(\\d+)\"");
    private static final int WRITERS = 64;
    private static final int BATCHES = 3;
    private static final int DIMENSION = 1 << 16;
    private static final int ROWS = 15; // 3.75 MiB a batch

    @Test
    void ingest_manyWritersWithLargeBatches_serverSurvives(@TempDir Path folder) throws Exception {
        Path output = folder.resolve("output");
        Path ready = folder.resolve("ready");
        Process server = new ProcessBuilder(
                        LAUNCHER.toString(),
                        "serve",
                        "--data-dir=" + folder.resolve("data"),
                        "--listen=127.0.0.1:0",
                        "--http=127.0.0.1:0",
                        "--ready-file=" + ready)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        try {
            Await.until("the server to be ready", () -> Files.exists(ready) || !server.isAlive());
            assertThat(ready).exists();
            Matcher port = PORT.matcher(Files.readString(ready));
            assertThat(port.find()).isTrue();
            load(Integer.parseInt(port.group(1)));
        } finally {
            server.destroy();
            assertThat(server.waitFor(30, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(server.exitValue()).isZero();
        assertThat(Files.readString(output)).doesNotContain("OutOfMemory", "direct buffer memory");
    }

    private static void load(int port) throws Exception {
        ManagedChannel control = channel(port);
        Run run = RunServiceGrpc.newBlockingV2Stub(control)
                .createRun(CreateRunRequest.newBuilder()
                        .setRun(Run.newBuilder()
                                .setRunId("r1")
                                .setLayout(BlockLayout.newBuilder()
                                        .addBlocks(Block.newBuilder()
                                                .setName("b0")
                                                .setRows(1)
                                                .setColumns(DIMENSION))))
                        .build())
                .getRun();
        ByteString gradients = Wire.f32(new float[ROWS * DIMENSION]);
        List<Callable<Long>> tasks = new ArrayList<>();
        for (int w = 0; w < WRITERS; w++) {
            String writerId = "w" + w;
            long firstId = 1_000_000L * w;
            tasks.add(() -> write(port, run, writerId, firstId, gradients));
        }
        try (ExecutorService senders = Executors.newFixedThreadPool(WRITERS)) {
            for (Future<Long> durable : senders.invokeAll(tasks)) {
                assertThat(durable.get()).isEqualTo(BATCHES);
            }
        }
        assertThat(RunServiceGrpc.newBlockingV2Stub(control)
                        .getRun(GetRunRequest.newBuilder().setRunId("r1").build())
                        .getRun()
                        .getSampleCount())
                .isEqualTo((long) WRITERS * BATCHES * ROWS);
        control.shutdownNow().awaitTermination(20, TimeUnit.SECONDS);
    }

    private static long write(int port, Run run, String writerId, long firstId, ByteString gradients) throws Exception {
        ManagedChannel channel = channel(port);
        TestWriter writer = new TestWriter(channel);
        writer.send(Open.newBuilder().setRunId("r1").setWriterId(writerId).setLayoutHash(run.getLayoutHash()));
        writer.opened();
        for (int i = 1; i <= BATCHES; i++) {
            writer.send(Wire.batch(i, firstId + 100L * i, gradients, ROWS));
        }
        writer.halfClose();
        long durable = writer.endsWell();
        channel.shutdownNow().awaitTermination(20, TimeUnit.SECONDS);
        return durable;
    }

    private static ManagedChannel channel(int port) {
        return NettyChannelBuilder.forAddress("127.0.0.1", port).usePlaintext().build();
    }
}
