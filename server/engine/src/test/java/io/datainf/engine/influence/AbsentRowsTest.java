package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.assertScores;
import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static io.datainf.engine.influence.ScoreAssertions.row;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.golden.GoldenCase;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import java.io.IOException;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Samples of which some or all rows are not in memory: every answer is the one that it is when they are. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class AbsentRowsTest {

    private static final double TOLERANCE = 1e-6;
    private static final int ROWS = 1500;
    private static final List<InfluenceMethod> METHODS = List.of(
            new InfluenceMethod.DataInf(),
            new InfluenceMethod.HessianFree(),
            InfluenceMethod.Lissa.DEFAULT,
            InfluenceMethod.LissaReference.DEFAULT,
            new InfluenceMethod.Exact(1e-10, InfluenceMethod.Exact.DEFAULT_MEMORY_LIMIT_BYTES));

    private InfluenceCalculator calculator;

    @BeforeAll
    void open() {
        calculator = InfluenceCalculator.create(2);
    }

    @AfterAll
    void close() {
        calculator.close();
    }

    static List<Arguments> methodsAndSlabs() {
        // Slabs of 8 rows, of some tiles, and of everything.
        return METHODS.stream()
                .flatMap(method -> IntStream.of(1, 1 << 20, 64 << 20).mapToObj(bytes -> Arguments.of(method, bytes)))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("methodsAndSlabs")
    void scores_equalThoseInMemory(InfluenceMethod method, int slabBytes) {
        Random random = new Random(1);
        BlockLayout layout = StoredSamples.layout(300, 40, 500, 7);
        float[][] validation = StoredSamples.gaussian(random, 3, layout.dimension());
        for (ElementType type : List.of(ElementType.F32, ElementType.BF16)) {
            try (StoredSamples samples =
                    new StoredSamples(layout, type, StoredSamples.gaussian(random, ROWS, layout.dimension()))) {
                kill(samples, random);
                InfluenceRequest request = samples.request(method, validation);
                try (FilesOfRows files = new FilesOfRows(samples, scattered(samples, random), slabBytes);
                        InfluenceScores expected = onlyScores(calculator, request);
                        InfluenceScores scores = onlyScores(calculator, files.of(request))) {
                    for (int j = 0; j < validation.length; j++) {
                        assertScores(scores, j, row(expected, j, ROWS), TOLERANCE);
                    }
                    assertThat(files.readCount()).isPositive();
                }
            }
        }
    }

    @Test
    void scoresOfTilesThatFitASlab_areTheSameBitForBit() {
        Random random = new Random(2);
        BlockLayout layout = StoredSamples.layout(900, 100);
        float[][] validation = StoredSamples.gaussian(random, 2, layout.dimension());
        try (StoredSamples samples =
                new StoredSamples(layout, ElementType.F32, StoredSamples.gaussian(random, ROWS, layout.dimension()))) {
            InfluenceRequest request = samples.request(new InfluenceMethod.DataInf(), validation);
            try (FilesOfRows files = new FilesOfRows(samples, scattered(samples, random), 3 << 20);
                    InfluenceScores expected = onlyScores(calculator, request);
                    InfluenceScores scores = onlyScores(calculator, files.of(request))) {
                assertThat(row(scores, 1, ROWS)).isEqualTo(row(expected, 1, ROWS));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void golden_withFewRowsInMemory(String name) throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        try (StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train())) {
            BitSet absent = new BitSet();
            absent.set(Math.min(3, samples.rowCount() - 1), samples.rowCount());
            InfluenceRequest request = samples.request(new InfluenceMethod.DataInf(), golden.validation());
            try (FilesOfRows files = new FilesOfRows(samples, absent, 1);
                    InfluenceScores expected = onlyScores(calculator, request);
                    InfluenceScores scores = onlyScores(calculator, files.of(request))) {
                for (int j = 0; j < golden.validation().length; j++) {
                    assertScores(scores, j, row(expected, j, samples.rowCount()), TOLERANCE);
                }
            }
        }
    }

    static List<String> cases() {
        return GoldenCase.NAMES;
    }

    @Test
    void selfInfluence_equalsThatInMemory() {
        Random random = new Random(3);
        BlockLayout layout = StoredSamples.layout(300, 40);
        try (StoredSamples samples =
                new StoredSamples(layout, ElementType.F32, StoredSamples.gaussian(random, 700, layout.dimension()))) {
            kill(samples, random);
            int[] ordinals = samples.set().liveOrdinals();
            Damping damping = new Damping.Scaled(0.1);
            try (FilesOfRows files = new FilesOfRows(samples, scattered(samples, random), 1)) {
                double[] expected = calculator.selfInfluence(
                        new SelfInfluenceRequest(samples.set(), damping, ordinals), WorkMonitor.of(() -> false));
                double[] scores = calculator.selfInfluence(
                        new SelfInfluenceRequest(files.set(), damping, ordinals), WorkMonitor.of(() -> false));
                for (int i = 0; i < ordinals.length; i++) {
                    assertThat(Math.abs(scores[i] / expected[i] - 1)).isLessThan(TOLERANCE);
                }
            }
        }
    }

    @Test
    void rowThatCannotBeRead_failsTheComputation_andTheNextOneWorks() {
        Random random = new Random(4);
        BlockLayout layout = StoredSamples.layout(300);
        float[][] validation = StoredSamples.gaussian(random, 1, layout.dimension());
        try (StoredSamples samples =
                new StoredSamples(layout, ElementType.F32, StoredSamples.gaussian(random, 200, layout.dimension()))) {
            InfluenceRequest request = samples.request(new InfluenceMethod.DataInf(), validation);
            BitSet absent = new BitSet();
            absent.set(0, 200);
            try (FilesOfRows files = new FilesOfRows(samples, absent, 1)) {
                files.failAt(150);
                assertThatThrownBy(() -> calculator.compute(files.of(request), WorkMonitor.of(() -> false)))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("row 150");
                files.failAt(-1);
                onlyScores(calculator, files.of(request)).close();
                files.failAt(-1);
                assertThatThrownBy(() -> calculator.compute(files.of(request), WorkMonitor.of(files::touched)))
                        .isInstanceOf(CancellationException.class);
            }
        }
    }

    private static void kill(StoredSamples samples, Random random) {
        for (int i = 0; i < 40; i++) {
            samples.kill(random.nextInt(samples.rowCount()));
        }
    }

    /** Long stretches and single rows, of those that count. */
    private static BitSet scattered(StoredSamples samples, Random random) {
        BitSet absent = new BitSet();
        absent.set(samples.rowCount() / 3, samples.rowCount());
        absent.clear(samples.rowCount() / 2, samples.rowCount() * 3 / 4);
        absent.set(random.nextInt(samples.rowCount() / 3));
        for (int k = 0; k < samples.rowCount(); k++) {
            if (!samples.live(k)) {
                absent.clear(k);
            }
        }
        return absent;
    }
}
