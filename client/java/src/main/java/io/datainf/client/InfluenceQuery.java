package io.datainf.client;

import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.datainf.proto.v1.Aggregation;
import io.datainf.proto.v1.AllSamples;
import io.datainf.proto.v1.Damping;
import io.datainf.proto.v1.ElementType;
import io.datainf.proto.v1.ExactOptions;
import io.datainf.proto.v1.GivenSamples;
import io.datainf.proto.v1.LissaOptions;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.Selection;
import io.datainf.proto.v1.StoredSamples;
import io.datainf.proto.v1.TopSamples;
import io.datainf.proto.v1.ValidationGradients;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Arrays;
import java.util.function.DoubleConsumer;
import java.util.stream.LongStream;

/**
 * One question: how did the training samples of a run influence the loss of some validation points? Built from one
 * of {@link #forGradients} and {@link #forStoredSamples}; everything else has a default.
 */
public final class InfluenceQuery {
    private final QuerySpec spec;
    private final ByteString gradients;
    private final Duration timeout;
    private final DoubleConsumer onProgress;

    private InfluenceQuery(Builder builder) {
        spec = builder.spec.build();
        gradients = builder.gradients;
        timeout = builder.timeout;
        onProgress = builder.onProgress;
    }

    /**
     * Asks about validation points by their gradients.
     *
     * @param runId the run
     * @param gradients one a validation point, each of D elements; copied
     */
    public static Builder forGradients(String runId, float[]... gradients) {
        if (gradients.length == 0) {
            throw new IllegalArgumentException("gradients are empty: expected at least one validation point");
        }
        int dimension = gradients[0].length;
        long bytes = (long) gradients.length * dimension * Float.BYTES;
        if (bytes > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException(
                    "gradients take " + bytes + " bytes: one query may carry less than 2 GiB");
        }
        ByteBuffer buffer = ByteBuffer.allocate((int) bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (int j = 0; j < gradients.length; j++) {
            if (gradients[j].length != dimension) {
                throw new IllegalArgumentException("gradients[" + j + "] has " + gradients[j].length
                        + " elements: expected " + dimension + " as gradients[0]");
            }
            buffer.asFloatBuffer().put(gradients[j]);
            buffer.position(buffer.position() + dimension * Float.BYTES);
        }
        // The buffer is ours alone and not written again.
        Builder builder = new Builder(runId, UnsafeByteOperations.unsafeWrap(buffer.flip()));
        builder.spec.setValidationGradients(ValidationGradients.newBuilder()
                .setCount(gradients.length)
                .setElementType(ElementType.ELEMENT_TYPE_F32));
        return builder;
    }

    /** Asks about samples that the run holds, in the place of validation points. */
    public static Builder forStoredSamples(String runId, long... sampleIds) {
        if (sampleIds.length == 0) {
            throw new IllegalArgumentException("sampleIds are empty: expected at least one");
        }
        Builder builder = new Builder(runId, ByteString.EMPTY);
        builder.spec.setStoredSamples(StoredSamples.newBuilder()
                .addAllSampleIds(LongStream.of(sampleIds).boxed().toList()));
        return builder;
    }

    QuerySpec spec() {
        return spec;
    }

    /** Row-major {@code [count, D]} float32, little-endian; empty for stored samples. */
    ByteString gradients() {
        return gradients;
    }

    Duration timeout() {
        return timeout;
    }

    DoubleConsumer onProgress() {
        return onProgress;
    }

    /** Collects a question. Not safe for several threads. */
    public static final class Builder {
        private static final Duration DEFAULT_TIMEOUT = Duration.ofMinutes(10);

        private final QuerySpec.Builder spec;
        private final ByteString gradients;
        private Duration timeout = DEFAULT_TIMEOUT;
        private DoubleConsumer onProgress = fraction -> {};

        private Builder(String runId, ByteString gradients) {
            this.gradients = gradients;
            this.spec = QuerySpec.newBuilder()
                    .setRunId(requireNonNull(runId, "runId"))
                    .setAggregation(Aggregation.AGGREGATION_EACH)
                    .setMethod(InfluenceMethod.DATAINF.proto())
                    .setSelection(Selection.newBuilder().setAll(AllSamples.getDefaultInstance()));
        }

        /** Asks for the mean of the validation points instead of each apart. */
        @CanIgnoreReturnValue
        public Builder mean() {
            spec.setAggregation(Aggregation.AGGREGATION_MEAN);
            return this;
        }

        /** How the inverse Hessian-vector product is found; by default {@link InfluenceMethod#DATAINF}. */
        @CanIgnoreReturnValue
        public Builder method(InfluenceMethod method) {
            spec.setMethod(method.proto());
            return this;
        }

        /** Replaces the run's damping scale, c of {@code lambda_l = c / (n d_l) * sum_i |g_{i,l}|^2}. */
        @CanIgnoreReturnValue
        public Builder dampingScale(double scale) {
            spec.clearDampings().addDampings(Damping.newBuilder().setScale(scale));
            return this;
        }

        /** Asks for several damping scales at little more than the cost of one; see {@link InfluenceAnswer#byDamping}. */
        @CanIgnoreReturnValue
        public Builder dampingScales(double... scales) {
            if (scales.length == 0) {
                throw new IllegalArgumentException("scales are empty: expected at least one");
            }
            spec.clearDampings();
            for (double scale : scales) {
                spec.addDampings(Damping.newBuilder().setScale(scale));
            }
            return this;
        }

        /** Sets iterations and step of the LiSSA methods, by default 10 and 1. */
        @CanIgnoreReturnValue
        public Builder lissa(int iterations, double alpha) {
            spec.setLissa(LissaOptions.newBuilder().setIterations(iterations).setAlpha(alpha));
            return this;
        }

        /** Sets the relative residual at which an iterative solver of EXACT may stop, by default 1e-6. */
        @CanIgnoreReturnValue
        public Builder exactTolerance(double tolerance) {
            spec.setExact(ExactOptions.newBuilder().setTolerance(tolerance));
            return this;
        }

        /** How scores are scaled; by default {@link Normalization#RAW}. */
        @CanIgnoreReturnValue
        public Builder normalization(Normalization normalization) {
            spec.setNormalization(normalization.proto());
            return this;
        }

        /** Told the share of the work done, 0 to 1, by methods that take long; on a thread of gRPC, which must not be held up. */
        @CanIgnoreReturnValue
        public Builder onProgress(DoubleConsumer listener) {
            onProgress = requireNonNull(listener, "listener");
            return this;
        }

        /** Asks only for the {@code count} samples that rank first, in that order, instead of all samples. */
        @CanIgnoreReturnValue
        public Builder top(long count, Ranking ranking) {
            spec.setSelection(Selection.newBuilder()
                    .setTop(TopSamples.newBuilder().setCount(count).setRanking(ranking.proto())));
            return this;
        }

        /** Asks only for these samples, in this order, instead of all samples. */
        @CanIgnoreReturnValue
        public Builder samples(long... sampleIds) {
            spec.setSelection(Selection.newBuilder()
                    .setGiven(GivenSamples.newBuilder()
                            .addAllSampleIds(Arrays.stream(sampleIds).boxed().toList())));
            return this;
        }

        /** Answers only from this revision on, e.g. what {@link SampleWriter#flush} returned. */
        @CanIgnoreReturnValue
        public Builder minRevision(long revision) {
            spec.setMinRevision(revision);
            return this;
        }

        /** Makes the answer bit-identical for any load, thread count or restart of one engine. */
        @CanIgnoreReturnValue
        public Builder reproducible() {
            spec.setReproducible(true);
            return this;
        }

        /** Longest wait for the whole answer; by default 10 minutes. */
        @CanIgnoreReturnValue
        public Builder timeout(Duration limit) {
            if (limit.isNegative() || limit.isZero()) {
                throw new IllegalArgumentException("timeout is " + limit + ": expected more than zero");
            }
            timeout = limit;
            return this;
        }

        /** Returns the question. */
        public InfluenceQuery build() {
            return new InfluenceQuery(this);
        }
    }
}
