package io.datainf.engine.store;

import static io.datainf.engine.store.LogFixture.MANIFEST;
import static io.datainf.engine.store.LogFixture.batch;
import static io.datainf.engine.store.LogFixture.expected;
import static io.datainf.engine.store.LogFixture.open;
import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.store.LogFixture.Recovered;
import io.datainf.engine.store.LogFixture.Stored;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Power is lost at every change of random histories, and the disk keeps whatever it likes of what was not forced. */
class PowerLossTest {

    private static final int HISTORIES = Integer.getInteger("datainf.powerLossHistories", 25);
    private static final int GROUPS = 7;

    @TempDir
    private Path temporary;

    private int images;

    @Test
    void recovery_afterPowerLossAtAnyChange_holdsWhatWasAcknowledged() throws IOException {
        long seed = Long.getLong("datainf.seed", System.nanoTime());
        for (int history = 0; history < HISTORIES; history++) {
            try {
                new History(temporary.resolve("history-" + history), new SplittableRandom(seed + history)).play();
            } catch (RuntimeException | AssertionError e) {
                throw new AssertionError("seed %d, history %d".formatted(seed, history), e);
            }
        }
        System.out.println("power lost " + images + " times in " + HISTORIES + " histories, seed " + seed);
        FaultCounts.add("losses of power", images);
        assertThat(images).isGreaterThan(HISTORIES * GROUPS);
    }

    /** One log, written in groups, then compacted. */
    private final class History {

        private final Path directory;
        private final Path image;
        private final SplittableRandom random;
        private final PowerLossFiles files = new PowerLossFiles(this::powerLost);
        private final StoreOptions options =
                new StoreOptions(900, 1 << 20, Durability.FSYNC, CompactionOptions.DEFAULT, files);
        private final StoreOptions afterwards =
                new StoreOptions(900, 1 << 20, Durability.FSYNC, CompactionOptions.DEFAULT, StoreFiles.SYSTEM);
        private final List<Stored> written = new ArrayList<>();
        private final List<Long> deletions = new ArrayList<>();
        private final Set<Integer> dead = new HashSet<>();
        private int ackedSamples;
        private int ackedDeletions;
        private long batchSeq;
        private long revision;

        History(Path directory, SplittableRandom random) throws IOException {
            this.directory = Files.createDirectory(directory);
            this.image = directory.resolveSibling(directory.getFileName() + "-image");
            this.random = random;
        }

        void play() throws IOException {
            RecordLog log = open(directory, options).log();
            for (int i = 0; i < GROUPS; i++) {
                log.write(group());
                ackedSamples = written.size();
                ackedDeletions = deletions.size();
                powerLost();
                if (random.nextInt(3) == 0) {
                    log.release();
                    log.indexFullSegments();
                }
            }
            log.startNewSegment();
            log.indexFullSegments();
            for (int ordinal = 0; ordinal < written.size(); ordinal++) {
                if (random.nextBoolean()) {
                    dead.add(ordinal);
                }
            }
            log.compact(log.fullSegments(), dead::contains, new CompactionPace(Long.MAX_VALUE, () -> false));
            powerLost();
        }

        private List<LogRecord> group() {
            List<LogRecord> group = new ArrayList<>();
            for (int count = 1 + random.nextInt(3); count > 0; count--) {
                if (random.nextInt(4) == 0) {
                    DeletionRecord deletion = new DeletionRecord(++revision, new long[] {revision});
                    deletions.add(revision);
                    group.add(deletion);
                } else {
                    BatchRecord batch =
                            batch(MANIFEST, "writer", ++batchSeq, revision, 1 + random.nextInt(3), 0, (int) batchSeq);
                    revision = batch.revision();
                    written.addAll(expected(MANIFEST, batch));
                    group.add(batch);
                }
            }
            return group;
        }

        private void powerLost() {
            if (random.nextInt(3) != 0) {
                return;
            }
            images++;
            try {
                files.image(image, random);
                check(open(image, afterwards));
                check(open(image, afterwards));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private void check(Recovered recovered) {
            assertThat(recovered.damageCount()).isZero();
            assertThat(recovered.lostCount()).isZero();
            assertThat(recovered.deletedIds().size()).isGreaterThanOrEqualTo(ackedDeletions);
            assertThat(recovered.deletedIds())
                    .isEqualTo(deletions.subList(0, recovered.deletedIds().size()));
            if (dead.isEmpty()) {
                assertThat(recovered.samples().size()).isGreaterThanOrEqualTo(ackedSamples);
                assertThat(recovered.samples())
                        .isEqualTo(written.subList(0, recovered.samples().size()));
                return;
            }
            List<Stored> live = new ArrayList<>();
            for (int ordinal = 0; ordinal < written.size(); ordinal++) {
                if (!dead.contains(ordinal)) {
                    live.add(written.get(ordinal));
                }
            }
            assertThat(recovered.samples()).containsAll(live);
            assertThat(written).containsAll(recovered.samples());
            assertThat(recovered.log().recoveredRevision()).isEqualTo(revision);
        }
    }
}
