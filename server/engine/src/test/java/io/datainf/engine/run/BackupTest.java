package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.batch;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreFiles;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code ops/backup} while samples are stored, replaced and deleted, and segments are compacted. */
class BackupTest {

    private static final int IDS = 40;
    private static final int COPIES = 5;
    private static final int COMPACTIONS = 4;
    // Segments of few rows, compacted as soon as anything of them is dead.
    private static final StoreOptions BUSY = new StoreOptions(
            4096,
            1024,
            Durability.FSYNC,
            new CompactionOptions(0.01, Duration.ofDays(1), Long.MAX_VALUE),
            StoreFiles.SYSTEM);

    @TempDir
    private Path folder;

    /** What was acknowledged last of each id: a content that only grows, 0 for nothing yet. */
    private final AtomicIntegerArray acked = new AtomicIntegerArray(IDS);

    private final Semaphore compactions = new Semaphore(0);

    @Test
    void copies_whileEverythingChanges_holdWhatWasAcknowledgedBefore() throws Exception {
        Path data = folder.resolve("data");
        AtomicBoolean done = new AtomicBoolean();
        try (RunRegistry registry = RunRegistry.open(data, RunFixture.BUDGET, StoreEvents.NONE, BUSY);
                ExecutorService threads = Executors.newCachedThreadPool()) {
            Run run = registry.create(definition("run"));
            registry.create(definition("empty"));
            List<Future<?>> busy = new ArrayList<>();
            busy.add(threads.submit(changing(run, done)));
            busy.add(threads.submit(() -> {
                while (!done.get()) {
                    // Some in each copy; if it were always, none would ever be right.
                    if (compactions.tryAcquire(10, TimeUnit.MILLISECONDS)) {
                        registry.maintain();
                    }
                }
                return null;
            }));
            try {
                for (int copy = 0; copy < COPIES; copy++) {
                    int[] before = new int[IDS];
                    for (int id = 0; id < IDS; id++) {
                        before[id] = acked.get(id);
                    }
                    Path target = folder.resolve("copy-" + copy);
                    compactions.release(COMPACTIONS);
                    backup(data, target, 0);
                    requireSound(target, before);
                }
            } finally {
                done.set(true);
            }
            for (Future<?> each : busy) {
                each.get();
            }
            assertThat(run.erasure().compactTime()).isPresent();
        }
    }

    @Test
    void copy_ofNothing_orOntoSomething_isRefused() throws Exception {
        backup(folder.resolve("none"), folder.resolve("copy"), 1);
        RunRegistry.open(folder.resolve("data"), RunFixture.BUDGET, StoreEvents.NONE)
                .close();
        backup(folder.resolve("data"), folder.resolve("data"), 1);
        backup(folder.resolve("data"), folder.resolve("copy"), 0);
    }

    /** Stores each id again and again with greater contents. */
    private Callable<Void> changing(Run run, AtomicBoolean done) {
        return () -> {
            try (RunWriter writer = run.openWriter("writer")) {
                int batchSeq = 0;
                for (int content = 1; !done.get(); content++) {
                    int id = content * 7 % IDS;
                    await(writer.append(batch(++batchSeq, id, gradient(content))));
                    acked.set(id, content);
                }
            }
            return null;
        };
    }

    private static void backup(Path data, Path copy, int expectedStatus) throws IOException, InterruptedException {
        Process process = new ProcessBuilder("bash", "../../ops/backup", data.toString(), copy.toString())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).describedAs(output).isEqualTo(expectedStatus);
    }

    private void requireSound(Path copy, int[] before) throws IOException {
        List<String> findings = new ArrayList<>();
        DataVerifier.verify(copy, findings::add);
        assertThat(findings).allMatch(finding -> finding.contains("unfinished write"));
        try (RunRegistry registry = RunRegistry.open(copy, RunFixture.BUDGET, StoreEvents.NONE)) {
            assertThat(registry.list("", 10)).hasSize(2);
            Run run = registry.get(new RunId("run"));
            try (RunSnapshot snapshot = run.snapshot()) {
                for (int id = 0; id < IDS; id++) {
                    if (before[id] > 0) {
                        int content = contentOf(snapshot, id);
                        assertThat(content).as("sample %d", id).isGreaterThanOrEqualTo(before[id]);
                    }
                }
                RunFixture.assertConsistent(snapshot);
            }
            assertThat(run.damagedCount()).isZero();
        }
        findings.clear();
        DataVerifier.verify(copy, findings::add);
        assertThat(findings).isEmpty();
    }

    /** Which content a sample has; 0 if it is not there. */
    private static int contentOf(RunSnapshot snapshot, int id) {
        int ordinal = snapshot.ordinalOf(id);
        if (ordinal < 0) {
            return 0;
        }
        float[] row = RunFixture.row(snapshot, ordinal);
        // No more contents than revisions were stored.
        return IntStream.rangeClosed(1, (int) snapshot.revision())
                .filter(content -> content * 7 % IDS == id && Arrays.equals(gradient(content), row))
                .findFirst()
                .orElseThrow();
    }
}
