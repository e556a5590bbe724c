package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What all {@link BlockLoops} do. */
class BlockLoopsTest {

    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble F64 = ValueLayout.JAVA_DOUBLE;

    private final SplittableRandom random = new SplittableRandom(1);

    static Stream<Arguments> loopsAndCounts() {
        return Stream.of(ScalarBlockLoops.INSTANCE, VectorBlockLoops.INSTANCE)
                .flatMap(loops -> Stream.of(0, 1, 7, 8, 9, 31, 32, 33, 1001).map(count -> Arguments.of(loops, count)));
    }

    @ParameterizedTest
    @MethodSource("loopsAndCounts")
    void widen_takesEveryValueFromAnyByte(BlockLoops loops, int count) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment source = arena.allocate(3 + 4L * count);
            MemorySegment target = arena.allocate(F64, count + 1);
            for (int i = 0; i < count; i++) {
                source.set(F32, 3 + 4L * i, i + 0.5f);
            }
            loops.widen(source, 3, target, count);
            for (int i = 0; i < count; i++) {
                assertThat(target.getAtIndex(F64, i)).isEqualTo(i + 0.5);
            }
            assertThat(target.getAtIndex(F64, count)).isZero();
        }
    }

    @ParameterizedTest
    @MethodSource("loopsAndCounts")
    void combine_changesTheFirstValuesOnly(BlockLoops loops, int count) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment x = gaussian(count + 1, arena);
            MemorySegment y = gaussian(count + 1, arena);
            double[] before = x.toArray(F64);
            loops.combine(0.3, x, -2, y, count);
            for (int i = 0; i < count; i++) {
                assertThat(x.getAtIndex(F64, i)).isEqualTo(0.3 * before[i] + -2 * y.getAtIndex(F64, i));
            }
            assertThat(x.getAtIndex(F64, count)).isEqualTo(before[count]);
        }
    }

    @ParameterizedTest
    @MethodSource("loopsAndCounts")
    void dot_addsUpTheFirstValues(BlockLoops loops, int count) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment x = gaussian(count + 1, arena);
            MemorySegment y = gaussian(count + 1, arena);
            double expected = 0;
            double magnitude = 0;
            for (int i = 0; i < count; i++) {
                double product = x.getAtIndex(F64, i) * y.getAtIndex(F64, i);
                expected += product;
                magnitude += Math.abs(product);
            }
            assertThat(loops.dot(x, y, count)).isCloseTo(expected, within(1e-14 * magnitude));
        }
    }

    @ParameterizedTest
    @MethodSource("loopsAndCounts")
    void greatest_findsItWhereverItLies(BlockLoops loops, int count) {
        try (Arena arena = Arena.ofConfined()) {
            for (int at = 0; at < count; at++) {
                MemorySegment x = gaussian(count + 1, arena);
                x.setAtIndex(F64, count, 1000);
                x.setAtIndex(F64, at, -100 - at);
                assertThat(loops.greatest(x, count)).isEqualTo(100 + at);
                x.setAtIndex(F64, at, Double.NaN);
                assertThat(loops.greatest(x, count)).isNaN();
            }
            assertThat(loops.greatest(gaussian(1, arena), 0)).isZero();
        }
    }

    @ParameterizedTest
    @MethodSource("loopsAndCounts")
    void squares_addUpEverySixteenth(BlockLoops loops, int count) {
        try (Arena arena = Arena.ofConfined()) {
            int whole = count - count % 16;
            MemorySegment x = gaussian(count + 3, arena);
            double[] sums = new double[16];
            loops.squares(x, 3, whole, sums);
            for (int lane = 0; lane < sums.length; lane++) {
                double expected = 0;
                for (int i = lane; i < whole; i += sums.length) {
                    expected += x.getAtIndex(F64, 3 + i) * x.getAtIndex(F64, 3 + i);
                }
                assertThat(sums[lane]).isCloseTo(expected, within(1e-14 * expected));
            }
        }
    }

    private MemorySegment gaussian(int count, Arena arena) {
        MemorySegment values = arena.allocate(F64, count);
        for (int i = 0; i < count; i++) {
            values.setAtIndex(F64, i, random.nextGaussian());
        }
        return values;
    }
}
