package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.rpc.Code;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.GradientMatrix;
import io.datainf.engine.run.Run;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.StoreOptions;
import io.grpc.StatusException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A server that keeps samples in memory only. */
class NoDurabilityWireTest {

    @TempDir
    private Path folder;

    @Test
    void ingest_memoryFull_endsTheStreamForGoodAndKeepsWhatWasAcked() throws Exception {
        long twoRows = 2 * GradientMatrix.strideBytes(TestServer.layout(4), ElementType.F32);
        StoreOptions inMemory = StoreOptions.DEFAULT.with(Durability.NONE, CompactionOptions.DEFAULT);
        try (TestServer server =
                new TestServer(folder, RpcLimits.DEFAULT, TestServer.QUERY_LIMITS, twoRows, inMemory)) {
            Run run = server.createRun("r1", 4);
            TestWriter writer = TestWriter.open(server, run.definition(), "w");
            for (long number = 1; number <= 2; number++) {
                writer.send(Wire.batch(number, number, new float[] {1, 2, 3, number}));
                writer.ackOf(number);
            }
            writer.send(Wire.batch(3, 3, new float[] {1, 2, 3, 3}));
            StatusException full = catchThrowableOfType(StatusException.class, () -> writer.ackOf(3));
            assertStatus(full)
                    .is(Code.RESOURCE_EXHAUSTED, "MEMORY_BUDGET_FULL")
                    .says("nothing is kept on disk")
                    .mayNotBeRetried();
            assertThat(run.sampleCount()).isEqualTo(2);
            assertThat(run.residentCount()).isEqualTo(2);
        }
    }
}
