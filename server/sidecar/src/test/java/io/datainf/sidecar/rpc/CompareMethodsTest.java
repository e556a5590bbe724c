package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import com.google.rpc.Code;
import io.datainf.proto.v1.CompareMethodsRequest;
import io.datainf.proto.v1.CompareMethodsResponse;
import io.datainf.proto.v1.CompareMethodsSpec;
import io.datainf.proto.v1.GradientChunk;
import io.datainf.proto.v1.InfluenceMethod;
import io.datainf.proto.v1.MethodAgreement;
import io.datainf.proto.v1.MethodComparison;
import io.datainf.proto.v1.QueryRequest;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.StoredSamples;
import io.datainf.proto.v1.ValidationGradients;
import io.datainf.sidecar.query.QueryLimits;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CompareMethodsTest {

    private static final int SAMPLES = 40;
    private static final float[][] ROWS = RandomRun.rows(SAMPLES, 4);
    private static final float[][] POINTS = RandomRun.rows(2, 5);
    private static final double TOLERANCE = 1e-6;
    private static final long PATIENCE_SECONDS = 60;

    @TempDir
    private Path dataDirectory;

    private TestServer server;

    @BeforeEach
    void start() throws Exception {
        server = new TestServer(dataDirectory);
        RandomRun.create(server, "r1", ROWS);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private static CompareMethodsSpec.Builder spec() {
        return CompareMethodsSpec.newBuilder()
                .setRunId("r1")
                .setValidationGradients(ValidationGradients.newBuilder().setCount(POINTS.length));
    }

    private static CompareMethodsRequest message(CompareMethodsSpec.Builder spec) {
        return CompareMethodsRequest.newBuilder().setSpec(spec).build();
    }

    private static CompareMethodsRequest chunk(int offset, float[]... rows) {
        return CompareMethodsRequest.newBuilder()
                .setChunk(GradientChunk.newBuilder().setElementOffset(offset).setGradients(Wire.f32(rows)))
                .build();
    }

    private MethodComparison compare(CompareMethodsRequest... messages) throws Exception {
        BlockingClientCall<CompareMethodsRequest, CompareMethodsResponse> call =
                server.analysisService().compareMethods();
        try {
            for (CompareMethodsRequest message : messages) {
                call.write(message);
            }
            call.halfClose();
        } catch (StatusException e) {
            // It has ended already; reading says why.
        }
        double progress = 0;
        while (true) {
            CompareMethodsResponse response = call.read(PATIENCE_SECONDS, TimeUnit.SECONDS);
            assertThat(response).isNotNull();
            if (response.hasComparison()) {
                assertThat(call.read(PATIENCE_SECONDS, TimeUnit.SECONDS)).isNull();
                assertThat(progress).isPositive();
                return response.getComparison();
            }
            assertThat(response.getProgress().getFraction()).isGreaterThan(progress);
            progress = response.getProgress().getFraction();
        }
    }

    private StatusAssert assertFails(Code code, String reason, CompareMethodsRequest... messages) {
        return assertStatus(catchThrowable(() -> compare(messages))).is(code, reason);
    }

    private double[] scores(InfluenceMethod method, int point) throws Exception {
        return Answer.read(server.influenceService()
                        .query(QueryRequest.newBuilder()
                                .setSpec(QuerySpec.newBuilder()
                                        .setRunId("r1")
                                        .setMethod(method)
                                        .setValidationGradients(
                                                ValidationGradients.newBuilder().setCount(POINTS.length)))
                                .setGradients(Wire.f32(POINTS))
                                .build()))
                .scores(point);
    }

    @Test
    void compare_defaults_agreesWithQueries() throws Exception {
        MethodComparison comparison = compare(message(spec()), chunk(0, POINTS[0]), chunk(9, POINTS[1]));
        assertThat(comparison.getSnapshot().getSampleCount()).isEqualTo(SAMPLES);
        assertThat(comparison.getSnapshot().getMethod()).isEqualTo(InfluenceMethod.INFLUENCE_METHOD_EXACT);
        assertThat(comparison.getExactReport().getConverged()).isTrue();
        assertThat(comparison.hasExactDuration()).isTrue();
        assertThat(comparison.getMethodsList())
                .extracting(MethodAgreement::getMethod)
                .containsExactly(
                        InfluenceMethod.INFLUENCE_METHOD_DATAINF,
                        InfluenceMethod.INFLUENCE_METHOD_HESSIAN_FREE,
                        InfluenceMethod.INFLUENCE_METHOD_LISSA);
        assertThat(comparison.getMethods(2).getReport().getSolver()).isEqualTo("lissa");
        assertThat(comparison.getMethods(0).hasReport()).isFalse();
        for (int point = 0; point < POINTS.length; point++) {
            double[] exact = scores(InfluenceMethod.INFLUENCE_METHOD_EXACT, point);
            for (MethodAgreement agreement : comparison.getMethodsList()) {
                double[] scores = scores(agreement.getMethod(), point);
                double error = relativeError(scores, exact);
                assertThat(agreement.getPoints(point).getRelativeError())
                        .isCloseTo(error, within(TOLERANCE * Math.max(error, 1)));
                assertThat(agreement.getPoints(point).getPearson())
                        .isCloseTo(pearson(scores, exact), within(TOLERANCE));
                assertThat(agreement.getPoints(point).getSpearman()).isBetween(-1.0, 1.0);
            }
        }
        assertThat(comparison.getBlockNormsCount()).isEqualTo(2);
        assertThat(comparison.getBlockNorms(1).getName()).isEqualTo("b1");
        double[] norms = Arrays.stream(ROWS)
                .mapToDouble(row -> Math.sqrt(row[6] * row[6] + row[7] * row[7] + row[8] * row[8]))
                .sorted()
                .toArray();
        assertThat(comparison.getBlockNorms(1).getMin()).isCloseTo(norms[0], within(TOLERANCE));
        assertThat(comparison.getBlockNorms(1).getMax()).isCloseTo(norms[SAMPLES - 1], within(TOLERANCE));
        assertThat(comparison.getBlockNorms(1).getMedian()).isBetween(norms[SAMPLES / 2 - 1], norms[SAMPLES / 2]);
        assertThat(comparison.getBlockNorms(1).getLowerQuartile())
                .isLessThan(comparison.getBlockNorms(1).getUpperQuartile());
    }

    private static double relativeError(double[] scores, double[] exact) {
        double error = 0;
        double norm = 0;
        for (int k = 0; k < exact.length; k++) {
            error += (scores[k] - exact[k]) * (scores[k] - exact[k]);
            norm += exact[k] * exact[k];
        }
        return Math.sqrt(error / norm);
    }

    private static double pearson(double[] one, double[] other) {
        double meanOne = Arrays.stream(one).average().orElseThrow();
        double meanOther = Arrays.stream(other).average().orElseThrow();
        double product = 0;
        double squareOne = 0;
        double squareOther = 0;
        for (int k = 0; k < one.length; k++) {
            product += (one[k] - meanOne) * (other[k] - meanOther);
            squareOne += (one[k] - meanOne) * (one[k] - meanOne);
            squareOther += (other[k] - meanOther) * (other[k] - meanOther);
        }
        return product / Math.sqrt(squareOne * squareOther);
    }

    @Test
    void compare_storedSamplesWithExact_agreesPerfectly() throws Exception {
        MethodComparison comparison = compare(message(CompareMethodsSpec.newBuilder()
                .setRunId("r1")
                .setStoredSamples(StoredSamples.newBuilder().addSampleIds(12))
                .addMethods(InfluenceMethod.INFLUENCE_METHOD_EXACT)));
        assertThat(comparison.getMethods(0).getPoints(0).getRelativeError()).isCloseTo(0, within(TOLERANCE));
        assertThat(comparison.getMethods(0).getPoints(0).getSpearman()).isCloseTo(1, within(TOLERANCE));
    }

    @Test
    void compare_badRequests_areNamed() {
        assertFails(Code.INVALID_ARGUMENT, "INVALID_FIELD").violates("spec");
        assertFails(Code.INVALID_ARGUMENT, "INVALID_FIELD", CompareMethodsRequest.getDefaultInstance())
                .violates("part");
        assertFails(Code.INVALID_ARGUMENT, "INVALID_FIELD", chunk(0, POINTS)).violates("chunk");
        assertFails(Code.INVALID_ARGUMENT, "INVALID_FIELD", message(spec()), message(spec()))
                .violates("spec");
        assertFails(Code.INVALID_ARGUMENT, "INVALID_FIELD", message(spec()), chunk(0, POINTS[0]))
                .violates("chunk.gradients")
                .says("9 elements");
        assertFails(Code.INVALID_ARGUMENT, "INVALID_FIELD", message(spec()), chunk(1, POINTS[0]))
                .violates("chunk.element_offset");
        assertFails(Code.INVALID_ARGUMENT, "INVALID_GRADIENTS", message(spec()), chunk(0, POINTS), chunk(18, POINTS))
                .says("at most 0");
        assertFails(Code.INVALID_ARGUMENT, "INVALID_FIELD", message(spec().clearSource()))
                .violates("spec.source");
        assertFails(
                        Code.INVALID_ARGUMENT,
                        "INVALID_FIELD",
                        message(spec().addMethods(InfluenceMethod.INFLUENCE_METHOD_LISSA)
                                .addMethods(InfluenceMethod.INFLUENCE_METHOD_LISSA)
                                .setMinRevision(-1)))
                .violates("spec.methods", "spec.min_revision");
        assertFails(Code.UNIMPLEMENTED, "NOT_OFFERED", message(spec().addMethodsValue(99)))
                .says("99");
        assertFails(Code.NOT_FOUND, "UNKNOWN_RUN", message(spec().setRunId("none")));
        assertFails(
                Code.INVALID_ARGUMENT,
                "UNKNOWN_SAMPLE",
                message(spec().setStoredSamples(StoredSamples.newBuilder().addSampleIds(99))));
    }

    @Test
    void compare_moreMemoryThanAllowed_isResourceExhausted() throws Exception {
        server.close();
        server = new TestServer(dataDirectory, new QueryLimits(4, 1 << 20, 1));
        assertFails(Code.RESOURCE_EXHAUSTED, "SOLVER_MEMORY", message(spec()), chunk(0, POINTS))
                .mayNotBeRetried();
    }

    @Test
    void compare_cancelledWhileItCollects_letsGo() throws Exception {
        BlockingClientCall<CompareMethodsRequest, CompareMethodsResponse> call =
                server.analysisService().compareMethods();
        call.write(message(spec()));
        call.cancel("the test gives up", null);
        // That the gradients' memory is let go is checked when the server closes.
    }
}
