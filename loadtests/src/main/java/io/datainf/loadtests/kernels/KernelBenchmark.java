package io.datainf.loadtests.kernels;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.ColumnSums;
import io.datainf.engine.kernel.ColumnVectors;
import io.datainf.engine.kernel.GradientKernels;
import io.datainf.engine.kernel.GradientTile;
import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The SIMD loops alone: one thread, one tile of 256 rows and one block of 4,099 elements, which the third cache holds. JVMs compile them anew; one that
 * gives up inlining the Vector API shows as a rate far below the others'.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(3)
@Warmup(iterations = 5, time = 600, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 3, time = 300, timeUnit = TimeUnit.MILLISECONDS)
public class KernelBenchmark {

    private static final int ROWS = OffHeapRows.TILE_ROWS;
    private static final BlockLayout LAYOUT = BlockLayout.of(List.of(new Block("block", 1, 4_099)));
    private static final BlockRange BLOCK = new BlockRange(LAYOUT, 0, 1);

    /** Type of the stored gradients. */
    @Param({"F32", "BF16"})
    public ElementType elementType = ElementType.F32;

    /** Columns at a time. */
    @Param({"1", "8", "32"})
    public int m;

    private final GradientKernels kernels = GradientKernels.vector();
    private final double[] weights = new double[ROWS];
    private double[] dots = {};

    @SuppressWarnings("NullAway.Init") // by setUp
    private Fixture run;

    private record Fixture(StoredGradients gradients, Arena arena, ColumnVectors vectors, ColumnSums sums) {}

    /** Makes gradients and columns. */
    @Setup
    public void setUp() {
        StoredGradients gradients = new StoredGradients(LAYOUT, elementType, ROWS);
        Arena arena = Arena.ofConfined();
        ColumnVectors vectors = kernels.newVectors(BLOCK, elementType, m, arena);
        BlockVector column = new BlockVector(LAYOUT.dimension(), arena);
        column.load(gradients.queries(), 0, LAYOUT.dimension());
        for (int j = 0; j < m; j++) {
            vectors.set(j, 0, 1.0, column);
        }
        Arrays.fill(weights, 1e-3);
        dots = new double[m * ROWS];
        run = new Fixture(gradients, arena, vectors, kernels.newSums(BLOCK, elementType, m, arena));
    }

    /** Products of a tile with the columns. */
    @Benchmark
    public double[] dots() {
        kernels.dots(new GradientTile(run.gradients().matrix(), 0, ROWS, BLOCK), run.vectors(), dots);
        return dots;
    }

    /** Products, and the rows added up by them. */
    @Benchmark
    public ColumnSums accumulate() {
        GradientTile tile = new GradientTile(run.gradients().matrix(), 0, ROWS, BLOCK);
        kernels.accumulate(tile, run.vectors(), weights, run.sums());
        return run.sums();
    }

    /** Frees the memory. */
    @TearDown
    public void tearDown() {
        run.arena().close();
        run.gradients().close();
    }
}
