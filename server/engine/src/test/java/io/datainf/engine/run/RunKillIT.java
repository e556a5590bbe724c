package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.store.DataDirectoryInUseException;
import io.datainf.engine.store.StoreFiles;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kills a process that writes, at random moments, and looks at what it left. */
class RunKillIT {

    private static final int ROUNDS = 10;
    private static final int WRITERS = 2;

    @TempDir
    private Path directory;

    @Test
    void kill9_whileWriting_losesAndInventsNothing() throws Exception {
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        SplittableRandom random = new SplittableRandom(seed);
        Map<String, Long> acknowledged = new HashMap<>();
        for (int round = 0; round < ROUNDS; round++) {
            Process child = startChild();
            try (BufferedReader acks = child.inputReader()) {
                int killAfter = 1 + random.nextInt(200);
                for (int i = 0; i < killAfter; i++) {
                    String line = acks.readLine();
                    assertThat(line)
                            .as("seed %d, round %d: the child ended by itself", seed, round)
                            .isNotNull();
                    record(line, acknowledged);
                }
                if (round == 0) {
                    assertThatThrownBy(() -> RunFixture.open(directory))
                            .isInstanceOf(DataDirectoryInUseException.class)
                            .hasMessageContaining("process " + child.pid());
                }
                // Not by Process.destroyForcibly, which would close the pipe with the acks still in it.
                child.toHandle().destroyForcibly();
                acks.lines().forEach(line -> record(line, acknowledged));
            } finally {
                child.destroyForcibly();
            }
            assertThat(child.waitFor(30, TimeUnit.SECONDS)).isTrue();
            check(acknowledged, "seed %d, round %d".formatted(seed, round));
        }
    }

    /** Remembers "writer batch_seq"; a line that the kill cut short does not count. */
    private static void record(String line, Map<String, Long> acknowledged) {
        String[] words = line.split(" ", -1);
        if (words.length == 3 && words[2].equals("acked")) {
            acknowledged.merge(words[0], Long.parseLong(words[1]), Math::max);
        }
    }

    private void check(Map<String, Long> acknowledged, String when) throws IOException {
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
                RunFixture.assertHolds(snapshot, expected);
            }
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

    private static long content(long id, long batchSeq) {
        return id * 31 + batchSeq;
    }

    /** Goes on where the directory's writers stopped, and says what was acknowledged until it is killed. */
    static final class Child {

        private Child() {}

        public static void main(String[] arguments) throws Exception {
            RunRegistry registry = RunFixture.open(Path.of(arguments[0]), RunFixture.BUDGET, StoreFiles.SYSTEM);
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
            Thread.currentThread().join();
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
            }
        }
    }
}
