package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BlockVectorTest {

    private static final int LANES = 16;
    private static final int CHAIN = 256;

    private final SplittableRandom random = new SplittableRandom(1);

    @ParameterizedTest
    @ValueSource(ints = {1, 16, 17, 255, 256, 300, 4096, 9000})
    void greatestChainNorm_isThatOfTheWorstRunOrLane(int length) {
        try (Arena arena = Arena.ofConfined()) {
            BlockVector x = gaussian(length, arena);
            double greatest = 0;
            for (int first = 0; first < length; first += CHAIN) {
                greatest = Math.max(greatest, norm(x, first, first + CHAIN, 1));
            }
            for (int first = 0; first < length; first += LANES * CHAIN) {
                for (int lane = 0; lane < LANES; lane++) {
                    greatest = Math.max(greatest, norm(x, first + lane, first + LANES * CHAIN, LANES));
                }
            }
            assertThat(x.greatestChainNorm(LANES, CHAIN)).isCloseTo(greatest, within(1e-12 * greatest));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 4, 7, 1001})
    void dot_takesAllElements(int length) {
        try (Arena arena = Arena.ofConfined()) {
            BlockVector x = gaussian(length, arena);
            BlockVector y = gaussian(length, arena);
            double expected = 0;
            for (int i = 0; i < length; i++) {
                expected += x.get(i) * y.get(i);
            }
            assertThat(x.dot(y)).isCloseTo(expected, within(1e-13 * x.norm() * y.norm()));
        }
    }

    private static double norm(BlockVector x, int from, int to, int step) {
        double squares = 0;
        for (int i = from; i < Math.min(to, x.length()); i += step) {
            squares += x.get(i) * x.get(i);
        }
        return Math.sqrt(squares);
    }

    private BlockVector gaussian(int length, Arena arena) {
        BlockVector vector = new BlockVector(length, arena);
        vector.clear(length);
        for (int i = 0; i < length; i++) {
            vector.set(i, random.nextGaussian());
        }
        return vector;
    }
}
