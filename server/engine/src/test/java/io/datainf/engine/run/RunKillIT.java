package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.DataDirectoryInUseException;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.FaultCounts;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreFiles;
import io.datainf.engine.store.StoreOptions;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kills a process that writes, deletes, reads and compacts, at random moments, and looks at what it left. */
class RunKillIT {

    private static final int ROUNDS = Integer.getInteger("datainf.killRounds", 10);
    // Every so many batches, a writer deletes a sample of the last one.
    private static final int DELETE_EVERY = 3;
    private static final int WRITERS = 2;

    @TempDir
    private Path directory;

    @Test
    void kill9_whileWriting_losesAndInventsNothing() throws Exception {
        long seed = Long.getLong("datainf.seed", System.nanoTime());
        System.out.println("seed " + seed);
        SplittableRandom random = new SplittableRandom(seed);
        Map<String, Long> acknowledged = new HashMap<>();
        Set<Long> deleted = new HashSet<>();
        long acks = 0;
        for (int round = 0; round < ROUNDS; round++) {
            Process child = startChild();
            try (BufferedReader lines = child.inputReader()) {
                int killAfter = 1 + random.nextInt(200);
                for (int i = 0; i < killAfter; i++) {
                    String line = lines.readLine();
                    assertThat(line)
                            .as("seed %d, round %d: the child ended by itself", seed, round)
                            .isNotNull();
                    record(line, acknowledged, deleted);
                    acks++;
                }
                if (round == 0) {
                    assertThatThrownBy(() -> RunFixture.open(directory))
                            .isInstanceOf(DataDirectoryInUseException.class)
                            .hasMessageContaining("process " + child.pid());
                }
                // Not by Process.destroyForcibly, which would close the pipe with the acks still in it.
                child.toHandle().destroyForcibly();
                lines.lines().forEach(line -> record(line, acknowledged, deleted));
            } finally {
                child.destroyForcibly();
            }
            assertThat(child.waitFor(30, TimeUnit.SECONDS)).isTrue();
            check(acknowledged, deleted, "seed %d, round %d".formatted(seed, round));
            FaultCounts.add("kill -9 rounds", 1);
        }
        FaultCounts.add("acks before those kills", acks);
        System.out.printf("killed %d times after %d acks, %d of them deletions%n", ROUNDS, acks, deleted.size());
    }

    /** Remembers "writer batch_seq acked" and "writer id deleted"; a line that the kill cut short does not count. */
    private static void record(String line, Map<String, Long> acknowledged, Set<Long> deleted) {
        String[] words = line.split(" ", -1);
        if (words.length == 3 && words[2].equals("acked")) {
            acknowledged.merge(words[0], Long.parseLong(words[1]), Math::max);
        } else if (words.length == 3 && words[2].equals("deleted")) {
            deleted.add(Long.parseLong(words[1]));
        }
    }

    private void check(Map<String, Long> acknowledged, Set<Long> deleted, String when) throws IOException {
        try (RunRegistry registry = RunFixture.open(directory)) {
            Run run = registry.get(new RunId("run"));
            Map<Long, float[]> expected = new HashMap<>();
            for (int w = 0; w < WRITERS; w++) {
                String writerId = "writer-" + w;
                long durable = run.openWriter(writerId).resumeAfterBatchSeq();
                assertThat(durable).as(when).isGreaterThanOrEqualTo(acknowledged.getOrDefault(writerId, 0L));
                for (long batchSeq = 1; batchSeq <= durable; batchSeq++) {
                    for (long id : ids(w, batchSeq)) {
                        expected.put(id, gradient(content(id, batchSeq)));
                    }
                }
            }
            try (RunSnapshot snapshot = run.snapshot()) {
                for (int w = 0; w < WRITERS; w++) {
                    long durable = run.openWriter("writer-" + w).resumeAfterBatchSeq();
                    for (long batchSeq = DELETE_EVERY; batchSeq <= durable; batchSeq += DELETE_EVERY) {
                        long id = doomed(w, batchSeq);
                        // A deletion without an ack may have happened or not.
                        if (deleted.contains(id) || absent(snapshot, id)) {
                            expected.remove(id);
                        }
                    }
                }
                RunFixture.assertHolds(snapshot, expected);
            }
            assertThat(run.damagedCount()).as(when).isZero();
        }
    }

    private static boolean absent(RunSnapshot snapshot, long id) {
        try {
            return snapshot.ordinalsOf(new long[] {id}).length == 0;
        } catch (UnknownSampleException e) {
            return true;
        }
    }

    private Process startChild() throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of("-XX:TieredStopAtLevel=1", "-Xmx128m"));
        command.addAll(List.of("-cp", System.getProperty("java.class.path")));
        command.addAll(List.of(Child.class.getName(), directory.toString()));
        return new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    /** Two new ids, and one that each batch of the writer replaces. */
    private static long[] ids(int writer, long batchSeq) {
        long base = writer * 1_000_000L;
        return new long[] {base, base + 2 * batchSeq, base + 2 * batchSeq + 1};
    }

    /** The sample of a batch that is deleted when the batch is acked, if any is. */
    private static long doomed(int writer, long batchSeq) {
        return ids(writer, batchSeq)[2];
    }

    private static long content(long id, long batchSeq) {
        return id * 31 + batchSeq;
    }

    /** Goes on where the directory's writers stopped, and says what was acknowledged until it is killed. */
    static final class Child {

        private Child() {}

        public static void main(String[] arguments) throws Exception {
            StoreOptions options = new StoreOptions(
                    16 << 10,
                    1024,
                    Durability.FSYNC,
                    new CompactionOptions(0.2, Duration.ZERO, Long.MAX_VALUE),
                    StoreFiles.SYSTEM);
            RunRegistry registry =
                    RunRegistry.open(Path.of(arguments[0]), RunFixture.BUDGET, StoreEvents.NONE, options);
            Run run = registry.create(definition("run"));
            // Without its writers the process must end, so that the test does not wait for acks.
            Thread.setDefaultUncaughtExceptionHandler((thread, failure) -> {
                failure.printStackTrace();
                Runtime.getRuntime().halt(1);
            });
            for (int w = 0; w < WRITERS; w++) {
                int writer = w;
                Thread.ofPlatform().start(() -> write(run, writer));
            }
            while (true) {
                registry.maintain();
                try (RunSnapshot snapshot = run.snapshot()) {
                    RunFixture.assertConsistent(snapshot);
                }
            }
        }

        private static void write(Run run, int writerIndex) {
            String writerId = "writer-" + writerIndex;
            RunWriter writer = run.openWriter(writerId);
            for (long batchSeq = writer.resumeAfterBatchSeq() + 1; ; batchSeq++) {
                long[] ids = ids(writerIndex, batchSeq);
                float[][] gradients = new float[ids.length][];
                for (int i = 0; i < ids.length; i++) {
                    gradients[i] = gradient(content(ids[i], batchSeq));
                }
                BatchReceipt receipt = RunFixture.await(writer.append(RunFixture.batch(batchSeq, ids, gradients)));
                System.out.println(writerId + " " + receipt.batchSeq() + " acked");
                if (batchSeq % DELETE_EVERY == 0) {
                    long id = doomed(writerIndex, batchSeq);
                    run.deleteSamples(new long[] {id}).toCompletableFuture().join();
                    System.out.println(writerId + " " + id + " deleted");
                }
            }
        }
    }
}
