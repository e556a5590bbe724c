package io.datainf.engine.influence;

import static io.datainf.engine.influence.ScoreAssertions.assertScores;
import static io.datainf.engine.influence.ScoreAssertions.onlyScores;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.datainf.engine.golden.GoldenCase;
import io.datainf.engine.influence.SolverChoice.Solver;
import io.datainf.engine.memory.ElementType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Golden cases of the methods that iterate or solve, and of self-influence. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MethodGoldenTest {

    private static final double TOLERANCE = 1e-5; // what the product promises
    private static final double EXACT_TOLERANCE = 1e-9; // both sides float64, condition numbers up to 10 d
    private static final InfluenceMethod.Exact TIGHT =
            new InfluenceMethod.Exact(1e-11, InfluenceMethod.Exact.DEFAULT_MEMORY_LIMIT_BYTES);

    private InfluenceCalculator calculator;

    @BeforeAll
    void open() {
        calculator = InfluenceCalculator.create(2);
    }

    @AfterAll
    void close() {
        calculator.close();
    }

    static List<String> cases() {
        return GoldenCase.NAMES;
    }

    static List<Arguments> casesAndSolvers() {
        List<Arguments> arguments = new ArrayList<>();
        for (String name : GoldenCase.NAMES) {
            for (Solver solver : Solver.values()) {
                arguments.add(Arguments.of(name, solver));
            }
        }
        return arguments;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void lissaReference_equalsAuthorsCode(String name) throws IOException {
        assertMethod(calculator, name, InfluenceMethod.LissaReference.DEFAULT, "score.lissa", TOLERANCE);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void lissa_equalsReferenceWithTheRightSign(String name) throws IOException {
        assertMethod(calculator, name, InfluenceMethod.Lissa.DEFAULT, "score.lissa_plus", TOLERANCE);
    }

    @ParameterizedTest
    @MethodSource("casesAndSolvers")
    void exact_byEachSolver_equalsReference(String name, Solver solver) throws IOException {
        Numerics numerics = new Numerics(64, TOLERANCE, TOLERANCE, solver);
        try (InfluenceCalculator forced = InfluenceCalculator.create(2, numerics)) {
            assertMethod(forced, name, TIGHT, "score.exact", EXACT_TOLERANCE);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void exact_equalsReference_andIsWithinItsBound(String name) throws IOException {
        assertMethod(calculator, name, InfluenceMethod.Exact.DEFAULT, "score.exact", EXACT_TOLERANCE);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void selfInfluence_equalsReference(String name) throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        double[] expected = golden.arrays().doubles("self_influence");
        try (StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train())) {
            double[] actual = calculator.selfInfluence(
                    SelfInfluenceRequest.all(samples.set(), new Damping.Scaled(0.1)), WorkMonitor.of(() -> false));
            for (int k = 0; k < expected.length; k++) {
                assertThat(actual[k]).isNotPositive().isCloseTo(expected[k], within(TOLERANCE * -expected[k]));
            }
        }
    }

    private static void assertMethod(
            InfluenceCalculator calculator, String name, InfluenceMethod method, String expected, double tolerance)
            throws IOException {
        GoldenCase golden = GoldenCase.read(name);
        double[] values = golden.arrays().doubles(expected);
        int n = golden.train().length;
        try (StoredSamples samples = new StoredSamples(golden.layout(), ElementType.F32, golden.train());
                InfluenceScores scores = onlyScores(calculator, samples.request(method, golden.validation()))) {
            for (int j = 0; j < golden.validation().length; j++) {
                double[] row = Arrays.copyOfRange(values, j * n, (j + 1) * n);
                assertScores(scores, j, row, tolerance);
                assertScores(
                        scores, j, row, Math.max(scores.relativeErrorBound().orElseThrow(), 1e-12));
            }
            assertThat(scores.solverReport()).isPresent();
        }
    }
}
