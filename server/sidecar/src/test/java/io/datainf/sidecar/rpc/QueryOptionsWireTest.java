package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import com.google.rpc.Code;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.AllSamples;
import io.datainf.proto.v1.ComputeSelfInfluenceRequest;
import io.datainf.proto.v1.Damping;
import io.datainf.proto.v1.ExactOptions;
import io.datainf.proto.v1.InfluenceMethod;
import io.datainf.proto.v1.LissaOptions;
import io.datainf.proto.v1.Normalization;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.Ranking;
import io.datainf.proto.v1.Selection;
import io.datainf.proto.v1.SolverReport;
import io.datainf.proto.v1.TopSamples;
import io.datainf.proto.v1.ValidationGradients;
import io.datainf.sidecar.query.QueryLimits;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Methods, their options, several dampings and normalizations over the wire. */
class QueryOptionsWireTest {

    private static final int SAMPLES = 70; // few more than are computed in double at once
    private static final float[][] ROWS = RandomRun.rows(SAMPLES, 1);
    private static final float[][] POINTS = RandomRun.rows(2, 2);
    private static final double TOLERANCE = 1e-5;

    @TempDir
    private Path dataDirectory;

    private TestServer server;
    private Run run;

    @BeforeEach
    void start() throws Exception {
        server = new TestServer(dataDirectory);
        run = RandomRun.create(server, "r1", ROWS);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private static QuerySpec.Builder spec() {
        return QuerySpec.newBuilder()
                .setRunId("r1")
                .setValidationGradients(ValidationGradients.newBuilder().setCount(POINTS.length));
    }

    private static QuerySpec.Builder spec(InfluenceMethod method) {
        return spec().setMethod(method);
    }

    private static QuerySpec.Builder exact() {
        return spec(InfluenceMethod.INFLUENCE_METHOD_EXACT);
    }

    private static QuerySpec.Builder lissa(LissaOptions.Builder options) {
        return spec(InfluenceMethod.INFLUENCE_METHOD_LISSA).setLissa(options);
    }

    private Answer query(QuerySpec.Builder spec) throws Exception {
        return Answer.read(server.influenceService()
                .query(QueryRequest.newBuilder()
                        .setSpec(spec)
                        .setGradients(Wire.f32(POINTS))
                        .build()));
    }

    private StatusAssert assertFails(QuerySpec.Builder spec, Code code, String reason) {
        return assertStatus(catchThrowable(() -> query(spec))).is(code, reason);
    }

    private static Damping scale(double scale) {
        return Damping.newBuilder().setScale(scale).build();
    }

    @Test
    void exact_severalDampings_eachIsWhatItIsAlone() throws Exception {
        Answer together = query(exact().addDampings(scale(0.1)).addDampings(scale(3)));
        assertThat(together.snapshot().getMethod()).isEqualTo(InfluenceMethod.INFLUENCE_METHOD_EXACT);
        assertThat(together.summary().getSolverReportsCount()).isEqualTo(2);
        assertThat(together.summary().getSolverReportsList()).allMatch(SolverReport::getConverged);
        for (int d = 0; d < 2; d++) {
            Answer alone = query(exact().addDampings(scale(d == 0 ? 0.1 : 3)));
            for (int point = 0; point < POINTS.length; point++) {
                assertThat(Answer.relativeError(together.scores(point, d), alone.scores(point)))
                        .isLessThan(TOLERANCE);
            }
        }
        assertThat(Answer.relativeError(together.scores(0, 0), together.scores(0, 1)))
                .isGreaterThan(0.1);
    }

    @Test
    void exact_tellsProgress() throws Exception {
        assertThat(query(exact()).progress()).isPositive();
        assertThat(query(spec()).progress()).isZero();
    }

    @Test
    void lissa_smallSteps_convergesToExact() throws Exception {
        // alpha < 2 / (|G| + lambda), with |G| at most the mean of q.
        Answer answer =
                query(lissa(LissaOptions.newBuilder().setIterations(10_000).setAlpha(0.01)));
        SolverReport report = answer.summary().getSolverReports(0);
        assertThat(report.getConverged()).isTrue();
        assertThat(report.getSolver()).isEqualTo("lissa");
        assertThat(report.getIterations()).isEqualTo(10_000);
        assertThat(Answer.relativeError(answer.scores(0), query(exact()).scores(0)))
                .isLessThan(1e-3);
    }

    @Test
    void lissa_steps_areAsAsked() throws Exception {
        double[] three = query(lissa(LissaOptions.newBuilder().setIterations(3).setAlpha(0.01)))
                .scores(0);
        double[] four = query(lissa(LissaOptions.newBuilder().setIterations(4).setAlpha(0.01)))
                .scores(0);
        assertThat(Answer.relativeError(three, four)).isGreaterThan(1e-4);
        double[] byDefault = query(lissa(LissaOptions.newBuilder())).scores(0);
        double[] spelledOut = query(
                        lissa(LissaOptions.newBuilder().setIterations(10).setAlpha(1)))
                .scores(0);
        assertThat(byDefault).isEqualTo(spelledOut);
    }

    @Test
    void lissa_diverging_saysSo() throws Exception {
        SolverReport report =
                query(lissa(LissaOptions.newBuilder().setAlpha(10))).summary().getSolverReports(0);
        assertThat(report.getConverged()).isFalse();
        assertThat(report.getRelativeResidual()).isGreaterThan(1);
    }

    @Test
    void lissa_notFinite_isInvalid() {
        assertFails(lissa(LissaOptions.newBuilder().setAlpha(1e200)), Code.INVALID_ARGUMENT, "INVALID_GRADIENTS")
                .violates("spec.lissa")
                .says("alpha");
    }

    @Test
    void options_outOfRange_areNamed() {
        for (double alpha : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertInvalid(lissa(LissaOptions.newBuilder().setAlpha(alpha)), "spec.lissa.alpha");
        }
        for (int iterations : new int[] {0, -1, 10_001}) {
            assertInvalid(lissa(LissaOptions.newBuilder().setIterations(iterations)), "spec.lissa.iterations");
        }
        for (double tolerance : new double[] {0, 1, Double.NaN}) {
            assertInvalid(exact().setExact(ExactOptions.newBuilder().setTolerance(tolerance)), "spec.exact.tolerance");
        }
        assertInvalid(exact().setLissa(LissaOptions.newBuilder()), "spec.lissa");
        assertInvalid(spec().setExact(ExactOptions.newBuilder()), "spec.exact");
    }

    private void assertInvalid(QuerySpec.Builder spec, String field) {
        assertFails(spec, Code.INVALID_ARGUMENT, "INVALID_FIELD").violates(field);
    }

    @Test
    void exact_moreMemoryThanAllowed_isResourceExhausted() throws Exception {
        server.close();
        server = new TestServer(dataDirectory, new QueryLimits(4, 1 << 20, 1));
        assertFails(exact(), Code.RESOURCE_EXHAUSTED, "SOLVER_MEMORY")
                .says("memoryLimitBytes is 1")
                .mayNotBeRetried();
    }

    @Test
    void cosine_hessianFree_isMinusTheCosineOfTheGradients() throws Exception {
        Answer answer = query(spec(InfluenceMethod.INFLUENCE_METHOD_HESSIAN_FREE)
                .setNormalization(Normalization.NORMALIZATION_COSINE)
                .setPerBlock(true));
        for (int k = 0; k < SAMPLES; k++) {
            double cosine = dot(POINTS[1], ROWS[k]) / Math.sqrt(dot(POINTS[1], POINTS[1]) * dot(ROWS[k], ROWS[k]));
            assertThat(answer.scores(1)[k]).isCloseTo(-cosine, within(TOLERANCE));
            double blocks = answer.blockScores(1, 0)[k] + answer.blockScores(1, 1)[k];
            assertThat(blocks).isCloseTo(-cosine, within(TOLERANCE));
        }
    }

    private static double dot(float[] one, float[] other) {
        return IntStream.range(0, one.length)
                .mapToDouble(j -> (double) one[j] * other[j])
                .sum();
    }

    @Test
    void cosine_everyMethod_isBetweenMinusOneAndOneAndRanks() throws Exception {
        for (InfluenceMethod method : Methods.OFFERED) {
            QuerySpec.Builder cosine = spec(method).setNormalization(Normalization.NORMALIZATION_COSINE);
            double[] scores = query(cosine).scores(0);
            Answer top = query(cosine.setSelection(Selection.newBuilder()
                    .setTop(TopSamples.newBuilder().setCount(1).setRanking(Ranking.RANKING_ABSOLUTE))));
            double greatest = IntStream.range(0, SAMPLES)
                    .mapToDouble(k -> Math.abs(scores[k]))
                    .max()
                    .orElseThrow();
            assertThat(greatest).isPositive().isLessThanOrEqualTo(1 + TOLERANCE);
            assertThat(Math.abs(top.scores(0)[0])).isCloseTo(greatest, within(TOLERANCE));
        }
    }

    @Test
    void relatif_needsSelfInfluenceOfItsRevisionAndDamping() throws Exception {
        QuerySpec.Builder relatif = spec().setNormalization(Normalization.NORMALIZATION_RELATIF);
        assertMissing(relatif);
        double[] own = SelfInfluenceReply.read(server.analysisService().computeSelfInfluence(all()))
                .values();
        double[] raw = query(spec()).scores(0);
        double[] scores = query(relatif).scores(0);
        for (int k = 0; k < SAMPLES; k++) {
            double expected = raw[k] / Math.sqrt(-own[k]);
            assertThat(scores[k]).isCloseTo(expected, within(TOLERANCE * Math.abs(expected)));
        }
        // The run's own damping, spelled out as values, is the same damping.
        List<Double> lambda = query(spec()).snapshot().getDampings(0).getValuesList();
        Damping.Builder fixed = Damping.newBuilder();
        fixed.getFixedBuilder().addAllValues(lambda);
        assertThat(query(relatif.clone().addDampings(fixed)).scores(0)).isEqualTo(scores);
        assertMissing(relatif.clone().addDampings(scale(0.1)).addDampings(scale(0.2)))
                .says("damping 1");
        RandomRun.append(server, run, 2, 1_000, ROWS[0]);
        assertMissing(relatif);
    }

    private StatusAssert assertMissing(QuerySpec.Builder relatif) {
        return assertFails(relatif, Code.FAILED_PRECONDITION, "SELF_INFLUENCE_MISSING")
                .says("ComputeSelfInfluence", "'r1'")
                .mayNotBeRetried();
    }

    private static ComputeSelfInfluenceRequest all() {
        return ComputeSelfInfluenceRequest.newBuilder()
                .setRunId("r1")
                .setAll(AllSamples.getDefaultInstance())
                .build();
    }
}
