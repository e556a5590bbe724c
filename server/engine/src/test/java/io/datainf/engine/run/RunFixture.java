package io.datainf.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.influence.BlockStatistics;
import io.datainf.engine.influence.BlockStatisticsAccumulator;
import io.datainf.engine.influence.SampleSet;
import io.datainf.engine.influence.SquaredNorms;
import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreFiles;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs, batches and checks for tests. */
final class RunFixture {

    static final BlockLayout LAYOUT =
            BlockLayout.of(List.of(new Block("a", 2, 3), new Block("b", 1, 1), new Block("c", 3, 5)));
    static final int DIMENSION = LAYOUT.dimension();
    static final long BUDGET = 1L << 30;

    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long PATIENCE_SECONDS = 60;

    private RunFixture() {}

    static RunDefinition definition(String id) {
        return definition(id, ElementType.F32);
    }

    static RunDefinition definition(String id, ElementType storedType) {
        return new RunDefinition(new RunId(id), LAYOUT, storedType, 0.1, "step-1", Map.of("owner", "tests"));
    }

    static RunRegistry open(Path directory) throws IOException {
        return RunRegistry.open(directory, BUDGET, StoreEvents.NONE);
    }

    /** Small segments and small groups. */
    static RunRegistry open(Path directory, long budgetBytes, StoreFiles files) throws IOException {
        return RunRegistry.open(
                directory,
                budgetBytes,
                StoreEvents.NONE,
                new StoreOptions(4096, 1024, Durability.FSYNC, CompactionOptions.DEFAULT, files));
    }

    /** A gradient that follows from {@code content}; no element is zero. */
    static float[] gradient(long content) {
        float[] gradient = new float[DIMENSION];
        for (int i = 0; i < DIMENSION; i++) {
            long mixed = (content * 1_000_003 + i + 1) * 0x9E3779B97F4A7C15L;
            gradient[i] = (mixed >>> 40) * 0x1p-20f - 8.03125f;
        }
        return gradient;
    }

    static SampleBatch batch(long batchSeq, long[] ids, float[]... gradients) {
        MemorySegment memory = Arena.ofAuto().allocate((long) ids.length * DIMENSION * Float.BYTES);
        for (int i = 0; i < gradients.length; i++) {
            MemorySegment.copy(gradients[i], 0, memory, F32, (long) i * DIMENSION * Float.BYTES, DIMENSION);
        }
        return new SampleBatch(batchSeq, ids, new long[0], ElementType.F32, memory);
    }

    /** A batch of one sample. */
    static SampleBatch batch(long batchSeq, long id, float[] gradient) {
        return batch(batchSeq, new long[] {id}, gradient);
    }

    static BatchReceipt await(CompletionStage<BatchReceipt> stage) {
        try {
            return stage.toCompletableFuture().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new AssertionError(e.getCause());
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    /** What the stage fails with. */
    static Throwable failure(CompletionStage<BatchReceipt> stage) {
        try {
            BatchReceipt result = stage.toCompletableFuture().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            throw new AssertionError("completed with " + result);
        } catch (ExecutionException e) {
            return Objects.requireNonNull(e.getCause());
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    /** The stored gradient of a row, widened. */
    static float[] row(RunSnapshot snapshot, int ordinal) {
        float[] row = new float[DIMENSION];
        ElementType type = snapshot.definition().storedType();
        ElementConversion.toFloats(stored(snapshot, ordinal), type, row, 0, DIMENSION);
        return row;
    }

    private static MemorySegment stored(RunSnapshot snapshot, int ordinal) {
        MemorySegment row =
                Arena.ofAuto().allocate(snapshot.samples().gradients().rowBytes(), Double.BYTES);
        snapshot.readRow(ordinal, row);
        return row;
    }

    /** Asserts that the snapshot holds exactly these samples. */
    static void assertHolds(RunSnapshot snapshot, Map<Long, float[]> expected) {
        assertThat(snapshot.samples().sampleCount()).isEqualTo(expected.size());
        long[] ids = expected.keySet().stream().mapToLong(Long::longValue).toArray();
        int[] ordinals = snapshot.ordinalsOf(ids);
        for (int i = 0; i < ids.length; i++) {
            assertThat(snapshot.sampleId(ordinals[i])).isEqualTo(ids[i]);
            assertThat(row(snapshot, ordinals[i])).as("sample %d", ids[i]).isEqualTo(expected.get(ids[i]));
        }
        assertConsistent(snapshot);
    }

    /** Asserts that squared norms and statistics are, to the last bit, what the stored rows give. */
    static void assertConsistent(RunSnapshot snapshot) {
        SampleSet samples = snapshot.samples();
        BlockStatisticsAccumulator sums = new BlockStatisticsAccumulator(LAYOUT.blockCount());
        double[] q = new double[LAYOUT.blockCount()];
        for (int ordinal = 0; ordinal < samples.rowCount(); ordinal++) {
            if (!samples.live(ordinal)) {
                continue;
            }
            SquaredNorms.ofRow(
                    stored(snapshot, ordinal), LAYOUT, snapshot.definition().storedType(), q);
            for (int l = 0; l < q.length; l++) {
                assertThat(samples.squaredNorms().get(ordinal, l)).isEqualTo(q[l]);
            }
            sums.add(q);
        }
        assertSame(samples.statistics(), sums.snapshot());
    }

    static void assertSame(BlockStatistics actual, BlockStatistics expected) {
        assertThat(actual.sampleCount()).isEqualTo(expected.sampleCount());
        assertThat(actual.squaredNormSums()).isEqualTo(expected.squaredNormSums());
    }
}
