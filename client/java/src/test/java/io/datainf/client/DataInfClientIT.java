package io.datainf.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import io.grpc.Status;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The client and the server's distribution together. */
@Timeout(300)
final class DataInfClientIT {
    /** What float32 can promise, relative to the greatest score of the validation point. */
    private static final double TOLERANCE = 1e-5;

    private static final List<Block> BLOCKS = List.of(new Block("a", 2, 30), new Block("b", 4, 25));
    private static final int DIMENSION = 160;
    private static final int SAMPLES = 300;
    private static final long SEED = 20231002;

    private static ServerProcess server;
    private static DataInfClient client;

    @BeforeAll
    static void start(@TempDir Path folder) throws Exception {
        server = new ServerProcess(folder);
        client = DataInfClient.connect(server.unixTarget());
    }

    @AfterAll
    static void stop() throws Exception {
        client.close();
        server.close();
    }

    private static RunDescription createRun(String runId) {
        return client.createRun(RunDefinition.builder(runId).blocks(BLOCKS).build());
    }

    private static float[][] randomGradients(int count, long seed) {
        Random random = new Random(seed);
        float[][] gradients = new float[count][DIMENSION];
        for (float[] gradient : gradients) {
            double norm = Math.exp(random.nextGaussian());
            for (int j = 0; j < DIMENSION; j++) {
                gradient[j] = (float) (norm * random.nextGaussian());
            }
        }
        return gradients;
    }

    private static void write(RunDescription run, float[][] gradients) throws InterruptedException {
        try (SampleWriter writer =
                client.openWriter(run, WriterOptions.defaults().withBatchBytes(4_096))) {
            for (int k = 0; k < gradients.length; k++) {
                writer.add(k, gradients[k]);
            }
        }
    }

    /** DataInf in double, as arXiv 2310.00902 has it; see {@code package-info}. */
    private static double[] referenceScores(float[][] train, float[] validation) {
        double[] scores = new double[train.length];
        int begin = 0;
        for (Block block : BLOCKS) {
            int end = begin + block.dimension();
            double sum = 0;
            for (float[] g : train) {
                sum += dot(g, g, begin, end);
            }
            double lambda = 0.1 * sum / train.length / block.dimension();
            double[] h = new double[DIMENSION];
            for (int j = begin; j < end; j++) {
                h[j] = validation[j];
            }
            for (float[] g : train) {
                double weight = dot(validation, g, begin, end) / (lambda + dot(g, g, begin, end)) / train.length;
                for (int j = begin; j < end; j++) {
                    h[j] -= weight * g[j];
                }
            }
            for (int k = 0; k < train.length; k++) {
                for (int j = begin; j < end; j++) {
                    scores[k] -= h[j] / lambda * train[k][j];
                }
            }
            begin = end;
        }
        return scores;
    }

    private static double dot(float[] a, float[] b, int begin, int end) {
        double sum = 0;
        for (int j = begin; j < end; j++) {
            sum += (double) a[j] * b[j];
        }
        return sum;
    }

    @Test
    void deleteSamples_leavesTheOthersAndNeedsALeaveToReturn() throws Exception {
        float[][] train = randomGradients(6, SEED);
        RunDescription run = createRun("deleted");
        write(run, train);

        assertThat(client.deleteSamples("deleted", List.of(4L, 5L, 99L))).isEqualTo(new Deletion(2, 1, 8));
        assertThat(client.getRun("deleted").sampleCount()).isEqualTo(4);

        SampleWriter refused = client.openWriter(run);
        refused.add(4, train[4]);
        assertThatThrownBy(refused::close)
                .isInstanceOf(DataInfException.class)
                .hasMessageContaining("sample 4 was deleted");
        try (SampleWriter allowed =
                client.openWriter(run, WriterOptions.defaults().withAllowDeleted(true))) {
            allowed.add(4, train[4]);
        }
        assertThat(client.getRun("deleted").sampleCount()).isEqualTo(5);
    }

    @Test
    void readSamples_givesBackWhatWasWritten() throws Exception {
        float[][] train = randomGradients(6, SEED);
        write(createRun("read"), train);
        try (SampleReader reader = client.readSamples("read")) {
            assertThat(reader.count()).isEqualTo(6);
            assertThat(reader.revision()).isEqualTo(6);
            assertThat(reader.dampings()).hasSize(2);
            for (int k = 0; k < train.length; k++) {
                StoredSample sample = reader.next();
                assertThat(sample.sampleId()).isEqualTo(k);
                assertThat(sample.gradient()).isEqualTo(train[k]);
                assertThat(sample.squaredNorms()[1]).isCloseTo(dot(train[k], train[k], 60, 160), within(1e-9));
            }
            assertThat(reader.hasNext()).isFalse();
        }
        try (SampleReader reader = client.readSamples("read", List.of(5L, 2L))) {
            assertThat(reader.next().sampleId()).isEqualTo(5);
        }
        assertThatThrownBy(() -> client.readSamples("read", List.of(7L)))
                .asInstanceOf(type(DataInfException.class))
                .extracting(DataInfException::reason)
                .isEqualTo("UNKNOWN_SAMPLES");
    }

    @Test
    void readSamples_bfloat16AndRowsLargerThanAMessage() throws Exception {
        int columns = 1_500_000;
        float[] gradient = new float[columns];
        for (int j = 0; j < columns; j++) {
            gradient[j] = j % 251 - 125; // whole numbers that bfloat16 holds
        }
        RunDescription run = client.createRun(RunDefinition.builder("read-bf16")
                .block("a", 1, columns)
                .storedAsBfloat16()
                .build());
        try (SampleWriter writer = client.openWriter(run)) {
            writer.add(1, gradient);
        }
        try (SampleReader reader = client.readSamples("read-bf16")) {
            StoredSample sample = reader.next();
            assertThat(sample.storedAsBfloat16()).isTrue();
            assertThat(sample.bytes()).hasSize(2 * columns);
            assertThat(Arrays.equals(sample.gradient(), gradient)).isTrue();
        }
    }

    @Test
    void query_datainf_equalsThePlainComputation() throws Exception {
        float[][] train = randomGradients(SAMPLES, SEED);
        float[][] validation = randomGradients(2, SEED + 1);
        write(createRun("plain"), train);

        InfluenceAnswer answer =
                client.query(InfluenceQuery.forGradients("plain", validation).build());

        assertThat(answer.snapshot().sampleCount()).isEqualTo(SAMPLES);
        assertThat(answer.points()).hasSize(2);
        for (int j = 0; j < 2; j++) {
            double[] expected = referenceScores(train, validation[j]);
            double greatest = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
            assertThat(answer.points().get(j).sampleIds()).hasSize(SAMPLES).isSorted();
            assertThat(answer.points().get(j).scores()).containsExactly(expected, within(TOLERANCE * greatest));
        }
    }

    @Test
    void query_top_namesTheMostHarmfulFirst() throws Exception {
        float[][] train = randomGradients(SAMPLES, SEED + 2);
        float[] validation = randomGradients(1, SEED + 3)[0];
        write(createRun("top"), train);

        InfluenceAnswer answer = client.query(InfluenceQuery.forGradients("top", validation)
                .top(5, Ranking.MOST_HARMFUL)
                .build());

        double[] expected = referenceScores(train, validation);
        long[] order = IntStream.range(0, SAMPLES)
                .boxed()
                .sorted((a, b) -> Double.compare(expected[b], expected[a]))
                .limit(5)
                .mapToLong(Integer::longValue)
                .toArray();
        assertThat(answer.scores().sampleIds()).containsExactly(order);
    }

    @Test
    void flush_returnsARevisionThatAQueryMayAskFor() throws Exception {
        float[][] train = randomGradients(70, SEED + 4);
        try (SampleWriter writer = client.openWriter(createRun("flush"))) {
            for (int k = 0; k < train.length; k++) {
                writer.add(k, train[k]);
            }
            long revision = writer.flush();
            assertThat(revision).isEqualTo(train.length);
            InfluenceAnswer answer = client.query(InfluenceQuery.forGradients("flush", train[0])
                    .minRevision(revision)
                    .build());
            assertThat(answer.scores().count()).isEqualTo(train.length);
        }
        assertThat(client.statistics("flush").sampleCount()).isEqualTo(train.length);
    }

    @Test
    void openWriter_anotherLayout_isRefused() {
        RunDescription run = createRun("layout");
        RunDescription other = new RunDescription(
                run.runId(), run.blocks(), run.checkpoint(), "wrong", run.dimension(), 0, 0, 0, List.of());
        assertThatThrownBy(() -> client.openWriter(other))
                .asInstanceOf(type(DataInfException.class))
                .satisfies(e -> {
                    assertThat(e.code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
                    assertThat(e.reason()).isNotEmpty();
                });
    }

    @Test
    void query_wrongLength_isRefused() throws Exception {
        write(createRun("length"), randomGradients(2, SEED + 6));
        InfluenceQuery query =
                InfluenceQuery.forGradients("length", new float[3]).build();
        assertThatThrownBy(() -> client.query(query))
                .asInstanceOf(type(DataInfException.class))
                .extracting(DataInfException::code)
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
    }

    @Test
    void add_sampleLargerThanAMessage_isStoredWhole() throws Exception {
        int columns = 1_500_000;
        float[] gradient = new float[columns];
        for (int j = 0; j < columns; j++) {
            gradient[j] = (float) Math.sin(j);
        }
        RunDescription run = client.createRun(
                RunDefinition.builder("large").block("a", 1, columns).build());
        try (DataInfClient tcp = DataInfClient.connect(server.tcpTarget());
                SampleWriter writer = tcp.openWriter(run)) {
            writer.add(1, gradient);
            writer.flush();
            double squaredNorm = dot(gradient, gradient, 0, columns);
            assertThat(tcp.statistics("large").blocks().get(0).squaredNormSum())
                    .isCloseTo(squaredNorm, within(1e-9 * squaredNorm));
            // h = v, so the score of the sample for its own gradient is -|g|^2: the query's chunks arrive in order.
            InfluenceAnswer answer = tcp.query(InfluenceQuery.forGradients("large", gradient)
                    .method(InfluenceMethod.HESSIAN_FREE)
                    .build());
            assertThat(answer.scores().score(0)).isCloseTo(-squaredNorm, within(TOLERANCE * squaredNorm));
        }
    }

    @Test
    void query_everyMethodAndOption_isAnswered() throws Exception {
        float[][] train = randomGradients(SAMPLES, SEED + 9);
        float[] validation = randomGradients(1, SEED + 10)[0];
        write(createRun("methods"), train);

        InfluenceAnswer exact = client.query(InfluenceQuery.forGradients("methods", validation)
                .method(InfluenceMethod.EXACT)
                .exactTolerance(1e-8)
                .dampingScales(0.1, 5)
                .build());
        assertThat(exact.byDamping()).hasSize(2).first().isSameAs(exact);
        for (InfluenceAnswer each : exact.byDamping()) {
            assertThat(each.summary().solver()).hasValueSatisfying(report -> {
                assertThat(report.converged()).isTrue();
                assertThat(report.relativeResidual()).isLessThanOrEqualTo(1e-8);
            });
            assertThat(each.scores().count()).isEqualTo(SAMPLES);
        }
        assertThat(exact.further().get(0).snapshot().dampings().get(0))
                .isCloseTo(50 * exact.snapshot().dampings().get(0), within(1e-9));

        InfluenceAnswer lissa = client.query(InfluenceQuery.forGradients("methods", validation)
                .method(InfluenceMethod.LISSA)
                .lissa(3, 0.01)
                .build());
        assertThat(lissa.summary().solver()).map(SolverReport::iterations).hasValue(3);
        assertThat(lissa.summary().batchQueryCount()).isEqualTo(1);

        InfluenceAnswer cosine = client.query(InfluenceQuery.forGradients("methods", validation)
                .normalization(Normalization.COSINE)
                .build());
        assertThat(Arrays.stream(cosine.scores().scores())).allMatch(score -> Math.abs(score) <= 1 + TOLERANCE);
        assertThat(cosine.summary().solver()).isEmpty();
    }

    @Test
    void analysis_selfInfluence_isComputedOnceAndServesRelatif() throws Exception {
        float[][] train = randomGradients(SAMPLES, SEED + 11);
        write(createRun("analysis"), train);
        InfluenceQuery relatif = InfluenceQuery.forGradients("analysis", train[0])
                .normalization(Normalization.RELATIF)
                .build();
        assertThatThrownBy(() -> client.query(relatif))
                .asInstanceOf(type(DataInfException.class))
                .extracting(DataInfException::reason)
                .isEqualTo("SELF_INFLUENCE_MISSING");
        AnalysisClient analysis = client.analysis();
        assertThat(analysis.selfInfluenceCost("analysis").multiplications()).isPositive();
        double[] told = {0};
        SelfInfluence own = analysis.selfInfluence("analysis", fraction -> told[0] = fraction);
        assertThat(told[0]).isPositive();
        assertThat(analysis.selfInfluenceCost("analysis").multiplications()).isZero();
        for (int k = 0; k < SAMPLES; k += 7) {
            double[] expected = referenceScores(train, train[k]);
            assertThat(own.values().sampleId(k)).isEqualTo(k);
            assertThat(own.values().score(k)).isCloseTo(expected[k], within(TOLERANCE * Math.abs(expected[k])));
        }
        assertThat(analysis.selfInfluenceOf("analysis", 5, 2).values().scores())
                .containsExactly(own.values().score(5), own.values().score(2));
        assertThat(analysis.selfInfluence("analysis", 0.5, fraction -> {})
                        .cost()
                        .multiplications())
                .isPositive();
        double raw = referenceScores(train, train[0])[3];
        assertThat(client.query(relatif).scores().score(3))
                .isCloseTo(raw / Math.sqrt(-own.values().score(3)), within(1e-3 * Math.abs(raw)));
    }

    @Test
    void analysis_comparisonAndSquaredNorms() throws Exception {
        float[][] train = randomGradients(SAMPLES, SEED + 12);
        float[][] validation = randomGradients(2, SEED + 13);
        write(createRun("comparison"), train);

        MethodComparison comparison = client.analysis()
                .compareMethods(
                        InfluenceQuery.forGradients("comparison", validation)
                                .lissa(2, 0.01)
                                .build(),
                        InfluenceMethod.DATAINF,
                        InfluenceMethod.LISSA);
        assertThat(comparison.methods())
                .extracting(MethodComparison.Agreement::method)
                .containsExactly("INFLUENCE_METHOD_DATAINF", "INFLUENCE_METHOD_LISSA");
        assertThat(comparison.methods().get(0).points()).hasSize(2);
        assertThat(comparison.methods().get(0).points().get(0).pearson()).isBetween(0.0, 1.0);
        assertThat(comparison.methods().get(1).report())
                .map(SolverReport::iterations)
                .hasValue(2);
        assertThat(comparison.exactReport().converged()).isTrue();
        assertThat(comparison.blockNorms())
                .extracting(MethodComparison.BlockNorms::name)
                .containsExactly(BLOCKS.stream().map(Block::name).toArray(String[]::new));
        assertThat(comparison.snapshot().sampleCount()).isEqualTo(SAMPLES);

        SquaredNorms norms = client.analysis().squaredNorms("comparison");
        assertThat(norms.revision()).isEqualTo(SAMPLES);
        double expected = dot(train[4], train[4], 0, DIMENSION);
        assertThat(norms.values().score(4)).isCloseTo(expected, within(1e-9 * expected));
        assertThatThrownBy(() -> client.analysis().squaredNorms("none"))
                .asInstanceOf(type(DataInfException.class))
                .extracting(DataInfException::code)
                .isEqualTo(Status.Code.NOT_FOUND);
    }
}
