package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static io.datainf.sidecar.rpc.Wire.batch;
import static io.datainf.sidecar.rpc.Wire.fragment;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.rpc.Code;
import io.datainf.engine.run.Run;
import io.grpc.CallOptions;
import java.nio.file.Path;
import java.util.HexFormat;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Messages of writers as bytes: compressed, malformed. */
class IngestBytesTest {

    private static final CallOptions GZIP = CallOptions.DEFAULT.withCompression("gzip");

    private TestServer server;
    private Run run;

    @BeforeEach
    void start(@TempDir Path dataDirectory) throws Exception {
        server = new TestServer(dataDirectory);
        run = server.createRun("r1", 2, 1);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    @Test
    void ingest_compressedMessages_areStored() throws Exception {
        TestWriter writer = new TestWriter(server.channel, GZIP);
        writer.send(Wire.open(run.definition(), "w"));
        writer.opened();
        writer.send(batch(1, 7, new float[] {1, 2, 3}));
        assertThat(writer.ackOf(1).getRevision()).isEqualTo(1);
    }

    @Test
    void ingest_messageThatGrowsWhenDecompressed_isRefused() throws Exception {
        Run wide = server.createRun("wide", 64 << 20);
        TestWriter writer = new TestWriter(server.channel, GZIP);
        writer.send(Wire.open(wide.definition(), "w"));
        writer.opened();
        // Zeros: 32 MiB that take 32 KiB on the wire.
        writer.send(fragment(1, 1, new float[8 << 20], 0, 8 << 20));
        assertStatus(writer.fails())
                .is(Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")
                .says(Integer.toString(4 << 20));
    }

    @Test
    void ingest_messageThatCannotBeParsed_isInvalidAndWhatCameBeforeIsAcked() throws Exception {
        TestWriter writer = TestWriter.open(server, run.definition(), "w");
        writer.send(batch(1, 1, new float[] {1, 2, 3}));
        writer.send(HexFormat.of().parseHex("12067a7f00000000"));
        assertThat(writer.ackOf(1).getDurableBatchSeq()).isEqualTo(1);
        assertStatus(writer.fails())
                .is(Code.INVALID_ARGUMENT, "INVALID_FIELD")
                .says("after 3 bytes, a length is 127: expected 0 to 4")
                .violates("message");
    }
}
