package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.rpc.Code;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.ValidationGradients;
import io.grpc.StatusException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The services on a disk that runs full and gets space again; it is a small tmpfs. Skipped where none may be mounted. */
class DiskFullTest {

    private static final int WIDTH = 300_000; // 1.2 MB a sample

    @TempDir
    private Path disk;

    private Path ballast;

    @BeforeEach
    void mount() throws Exception {
        assumeTrue(
                command("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk.toString()),
                "needs the right to mount a tmpfs");
        ballast = Files.write(disk.resolve("ballast"), new byte[8 << 20]);
    }

    @AfterEach
    void unmount() throws Exception {
        if (ballast != null) {
            assertThat(command("umount", disk.toString())).isTrue();
        }
    }

    private static boolean command(String... words) throws InterruptedException {
        try {
            return new ProcessBuilder(List.of(words)).start().waitFor() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void ingest_diskFull_isToldToWait_queriesGoOn_andItGoesOnWhenSpaceReturns() throws Exception {
        try (TestServer server = new TestServer(disk.resolve("data"))) {
            Run run = server.createRun("r1", WIDTH);
            TestWriter writer = TestWriter.open(server, run.definition(), "w");
            long stored = 0;
            StatusException full = null;
            while (full == null) {
                full = send(writer, stored + 1);
                stored += full == null ? 1 : 0;
            }
            assertStatus(full)
                    .is(Code.RESOURCE_EXHAUSTED, "DISK_FULL")
                    .saysNot(disk.toString())
                    .mayBeRetried();
            assertThat(stored).isPositive();
            assertThat(run.sampleCount()).isEqualTo(stored);
            assertThat(server.runs.writeTrouble()).isPresent();
            assertThat(answered(server)).hasSize((int) stored);

            Files.delete(ballast);
            TestWriter again = new TestWriter(server.channel);
            again.send(Wire.open(run.definition(), "w"));
            assertThat(again.opened().getResumeAfterBatchSeq()).isEqualTo(stored);
            assertThat(send(again, stored + 1)).isNull();
            assertThat(run.sampleCount()).isEqualTo(stored + 1);
            assertThat(answered(server)).hasSize((int) stored + 1);
            assertThat(server.runs.writeTrouble()).isEmpty();
            again.cancel();
        }
    }

    /** Sends one sample; returns what the stream ends with, or null once it is durable. */
    private static @Nullable StatusException send(TestWriter writer, long number) throws Exception {
        float[] row = new float[WIDTH];
        Arrays.fill(row, (float) number);
        writer.send(Wire.batch(number, number, row));
        try {
            writer.ackOf(number);
            return null;
        } catch (StatusException e) {
            return e;
        }
    }

    private static List<Long> answered(TestServer server) throws Exception {
        float[] point = new float[WIDTH];
        Arrays.fill(point, 1);
        QuerySpec.Builder spec = QuerySpec.newBuilder()
                .setRunId("r1")
                .setValidationGradients(ValidationGradients.newBuilder().setCount(1));
        return Answer.read(server.influenceService()
                        .query(QueryRequest.newBuilder()
                                .setSpec(spec)
                                .setGradients(Wire.f32(point))
                                .build()))
                .ids(0);
    }
}
