package io.datainf.sidecar.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.RunId;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.run.SampleBatch;
import io.datainf.engine.store.StoreEvents;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The commands on a data directory that no server uses. */
class StoreCommandsTest {

    private static final int SAMPLES = 4;
    private static final int WIDTH = 16;
    private static final String SEGMENT = "runs/run/segment-0000000001.dseg";

    @TempDir
    private Path directory;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @BeforeEach
    void fill() throws IOException {
        try (RunRegistry runs = RunRegistry.open(directory, 1 << 20, StoreEvents.NONE)) {
            BlockLayout layout = BlockLayout.of(List.of(new Block("b", 1, WIDTH)));
            Run run = runs.create(new RunDefinition(new RunId("run"), layout, ElementType.F32, 0.1, "", Map.of()));
            MemorySegment rows = Arena.ofAuto().allocate((long) SAMPLES * WIDTH * Float.BYTES);
            for (int i = 0; i < SAMPLES * WIDTH; i++) {
                rows.setAtIndex(ValueLayout.JAVA_FLOAT, i, i);
            }
            run.openWriter("w")
                    .append(new SampleBatch(1, new long[] {1, 2, 3, 4}, new long[0], ElementType.F32, rows))
                    .toCompletableFuture()
                    .join();
        }
    }

    private int run(String... arguments) {
        CommandLine main = Main.commandLine();
        main.setOut(new PrintWriter(out));
        main.setErr(new PrintWriter(err));
        return main.execute(arguments);
    }

    private void deleteSamples(long... sampleIds) throws IOException {
        try (RunRegistry runs = RunRegistry.open(directory, 1 << 20, StoreEvents.NONE)) {
            runs.get(new RunId("run"))
                    .deleteSamples(sampleIds)
                    .toCompletableFuture()
                    .join();
        }
    }

    /** Flips a bit in the row of sample 4, which a mark of 64 bytes follows; returns what the file holds then. */
    private byte[] damageLastRow() throws IOException {
        Path segment = directory.resolve(SEGMENT);
        byte[] bytes = Files.readAllBytes(segment);
        bytes[bytes.length - 64 - 8] ^= 1;
        Files.write(segment, bytes);
        return bytes;
    }

    @Test
    void verify_soundDirectory_findsNothing() {
        assertThat(run("verify", "--data-dir", directory.toString())).isZero();
        assertThat(out.toString()).isEqualTo("1 runs, 4 sound rows, 0 findings%n".formatted());
    }

    @Test
    void verify_flippedBit_namesFileOffsetAndSample() throws IOException {
        Path segment = directory.resolve(SEGMENT);
        byte[] bytes = damageLastRow();

        assertThat(run("verify", "--data-dir", directory.toString())).isEqualTo(1);
        assertThat(out.toString())
                .contains("sample 4: " + segment + " is corrupt at byte " + (bytes.length - 64 - 64))
                .contains("expected crc32c", "found crc32c")
                .endsWith("1 runs, 3 sound rows, 1 findings%n".formatted());
    }

    @Test
    void verify_directoryInUse_saysSo() throws IOException {
        try (RunRegistry runs = RunRegistry.open(directory, 1 << 20, StoreEvents.NONE)) {
            assertThat(runs.figures().runCount()).isEqualTo(1);
            assertThat(run("verify", "--data-dir", directory.toString())).isEqualTo(1);
        }
        assertThat(err.toString()).contains("in use");
    }

    @Test
    void verify_misspelt_makesNothing() {
        Path misspelt = directory.resolve("misspelt");
        assertThat(run("verify", "--data-dir", misspelt.toString())).isEqualTo(1);
        assertThat(err.toString()).contains("misspelt is not a data directory");
        assertThat(misspelt).doesNotExist();
    }

    @Test
    void compact_deletedSamples_shrinksTheFiles() throws IOException {
        deleteSamples(1, 2, 3);
        long before = Files.size(directory.resolve(SEGMENT));
        assertThat(run("compact", "--data-dir", directory.toString())).isZero();
        assertThat(Files.size(directory.resolve(SEGMENT))).isLessThan(before - 3 * 64);
        assertThat(out.toString()).endsWith("bytes saved%n".formatted());
        assertThat(run("verify", "--data-dir", directory.toString())).isZero();
        assertThat(out.toString()).endsWith("1 runs, 1 sound rows, 0 findings%n".formatted());
    }

    @Test
    void compact_besideADamagedSample_saysWhatStays() throws IOException {
        byte[] ignored = damageLastRow();
        deleteSamples(1);

        assertThat(run("compact", "--data-dir", directory.toString())).isEqualTo(1);
        assertThat(out.toString()).contains("run 'run': 1 deleted or replaced samples stay in the files");
    }
}
