package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.datainf.engine.golden.GoldenCase;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.Run;
import io.datainf.proto.v1.Aggregation;
import io.datainf.proto.v1.AllSamples;
import io.datainf.proto.v1.ComputeSelfInfluenceRequest;
import io.datainf.proto.v1.InfluenceMethod;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.ValidationGradients;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The golden cases through both services: streamed in by one writer, asked for over the wire. */
class GoldenWireTest {

    // What the product promises, row-wise; the handmade case is small enough for float64 throughout.
    private static final double TOLERANCE = 1e-5;
    private static final double HANDMADE_TOLERANCE = 1e-6;
    private static final double EXACT_TOLERANCE = 1e-4;
    private static final double LAMBDA_TOLERANCE = 1e-12;
    private static final int BATCH_ROWS = 50;

    private TestServer server;

    @BeforeEach
    void start(@TempDir Path dataDirectory) throws Exception {
        server = new TestServer(dataDirectory, RpcLimits.DEFAULT, TestServer.QUERY_LIMITS, memoryBudgetBytes());
    }

    /** Memory for rows. */
    long memoryBudgetBytes() {
        return TestServer.MEMORY_BUDGET_BYTES;
    }

    @AfterEach
    void stop() {
        server.close();
    }

    static List<String> cases() {
        return GoldenCase.NAMES;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void query_eachPrefixAsItArrives_equalsReference(String name) throws Exception {
        GoldenCase golden = GoldenCase.read(name);
        Run run = server.createRun("golden", ElementType.F32, golden.layout());
        TestWriter writer = TestWriter.open(server, run.definition(), "w");
        int sent = 0;
        int batchSeq = 0;
        for (int prefix : golden.prefixes()) {
            batchSeq = stream(writer, golden, sent, prefix, batchSeq);
            sent = prefix;
            Answer answer = query(golden, validation(golden));
            assertScores(golden, answer, "prefix%d.score.datainf".formatted(prefix), prefix);
            assertLambda(answer, golden.arrays().doubles("prefix%d.lambda".formatted(prefix)));
        }
        stream(writer, golden, sent, golden.train().length, batchSeq);
        Answer answer = query(golden, validation(golden));
        assertScores(golden, answer, "score.datainf", golden.train().length);
        assertLambda(answer, golden.arrays().doubles("lambda"));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void query_everyOption_equalsReference(String name) throws Exception {
        GoldenCase golden = GoldenCase.read(name);
        Run run = server.createRun("golden", ElementType.F32, golden.layout());
        stream(TestWriter.open(server, run.definition(), "w"), golden, 0, golden.train().length, 0);
        int n = golden.train().length;

        Answer hessianFree = query(golden, validation(golden).setMethod(InfluenceMethod.INFLUENCE_METHOD_HESSIAN_FREE));
        assertScores(golden, hessianFree, "score.hessian_free", n);

        Answer mean = query(golden, validation(golden).setAggregation(Aggregation.AGGREGATION_MEAN));
        assertThat(mean.seriesCount()).isEqualTo(1);
        assertThat(Answer.relativeError(mean.scores(0), golden.arrays().doubles("score_valmean.datainf")))
                .isLessThan(tolerance(golden));

        assertBlocks(golden, query(golden, validation(golden).setPerBlock(true)));
        assertSelfInfluence(golden);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void query_everyMethod_equalsReference(String name) throws Exception {
        GoldenCase golden = GoldenCase.read(name);
        Run run = server.createRun("golden", ElementType.F32, golden.layout());
        stream(TestWriter.open(server, run.definition(), "w"), golden, 0, golden.train().length, 0);
        int n = golden.train().length;

        Answer reference =
                query(golden, validation(golden).setMethod(InfluenceMethod.INFLUENCE_METHOD_LISSA_REFERENCE));
        assertScores(golden, reference, "score.lissa", n);
        Answer lissa = query(golden, validation(golden).setMethod(InfluenceMethod.INFLUENCE_METHOD_LISSA));
        assertScores(golden, lissa, "score.lissa_plus", n);
        assertThat(lissa.summary().getSolverReports(0).getIterations()).isEqualTo(10);
        Answer exact = query(golden, validation(golden).setMethod(InfluenceMethod.INFLUENCE_METHOD_EXACT));
        assertScores(golden, exact, "score.exact", n, EXACT_TOLERANCE);
        assertThat(exact.summary().getSolverReports(0).getConverged()).isTrue();
    }

    private void assertBlocks(GoldenCase golden, Answer answer) {
        double[] expected = golden.arrays().doubles("score_by_block.datainf");
        int n = golden.train().length;
        int m = golden.validation().length;
        for (int l = 0; l < golden.layout().blockCount(); l++) {
            for (int j = 0; j < m; j++) {
                double[] row = Arrays.copyOfRange(expected, (l * m + j) * n, (l * m + j + 1) * n);
                assertThat(Answer.relativeError(answer.blockScores(j, l), row)).isLessThan(tolerance(golden));
            }
        }
    }

    private void assertSelfInfluence(GoldenCase golden) throws Exception {
        double[] expected = golden.arrays().doubles("self_influence");
        SelfInfluenceReply reply = SelfInfluenceReply.read(server.analysisService()
                .computeSelfInfluence(ComputeSelfInfluenceRequest.newBuilder()
                        .setRunId("golden")
                        .setAll(AllSamples.getDefaultInstance())
                        .build()));
        for (int k = 0; k < expected.length; k++) {
            assertThat(reply.values()[k]).isCloseTo(expected[k], within(tolerance(golden) * -expected[k]));
        }
    }

    /** Sends rows [from, to) with their numbers as ids and waits for the ack. Returns the last batch number. */
    private static int stream(TestWriter writer, GoldenCase golden, int from, int to, int batchSeq) throws Exception {
        int seq = batchSeq;
        for (int first = from; first < to; first += BATCH_ROWS) {
            float[][] rows = Arrays.copyOfRange(golden.train(), first, Math.min(to, first + BATCH_ROWS));
            writer.send(Wire.batch(++seq, first, rows));
        }
        if (seq > batchSeq) {
            writer.ackOf(seq);
        }
        return seq;
    }

    private static QuerySpec.Builder validation(GoldenCase golden) {
        return QuerySpec.newBuilder()
                .setRunId("golden")
                .setValidationGradients(ValidationGradients.newBuilder().setCount(golden.validation().length));
    }

    private Answer query(GoldenCase golden, QuerySpec.Builder spec) throws Exception {
        return Answer.read(server.influenceService()
                .query(QueryRequest.newBuilder()
                        .setSpec(spec)
                        .setGradients(Wire.f32(golden.validation()))
                        .build()));
    }

    private static double tolerance(GoldenCase golden) {
        return golden.name().equals("tiny-handmade") ? HANDMADE_TOLERANCE : TOLERANCE;
    }

    private static void assertScores(GoldenCase golden, Answer answer, String expected, int n) {
        assertScores(golden, answer, expected, n, tolerance(golden));
    }

    private static void assertScores(GoldenCase golden, Answer answer, String expected, int n, double tolerance) {
        double[] values = golden.arrays().doubles(expected);
        for (int j = 0; j < golden.validation().length; j++) {
            double[] row = Arrays.copyOfRange(values, j * n, (j + 1) * n);
            assertThat(Answer.relativeError(answer.scores(j), row))
                    .describedAs("%s, validation point %d", expected, j)
                    .isLessThan(tolerance);
        }
        assertThat(answer.snapshot().getSampleCount()).isEqualTo(n);
        assertThat(answer.snapshot().getRevision()).isEqualTo(n);
    }

    private static void assertLambda(Answer answer, double[] expected) {
        for (int l = 0; l < expected.length; l++) {
            assertThat(answer.snapshot().getDampings(0).getValues(l))
                    .isCloseTo(expected[l], within(LAMBDA_TOLERANCE * expected[l]));
        }
    }
}
