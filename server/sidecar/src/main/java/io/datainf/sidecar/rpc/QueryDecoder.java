package io.datainf.sidecar.rpc;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.influence.Ranking;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunRegistry;
import io.datainf.proto.v1.FixedDamping;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.Selection;
import io.datainf.proto.v1.TopSamples;
import io.datainf.proto.v1.ValidationGradients;
import io.datainf.sidecar.query.QueryExecutor;
import io.datainf.sidecar.query.QueryOptions;
import io.datainf.sidecar.query.QueryPlan;
import io.datainf.sidecar.query.QuerySource;
import io.datainf.sidecar.query.SampleSelection;
import io.datainf.sidecar.query.StoredSamples;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntToLongFunction;

/** Checks what is asked and turns it into a plan. */
final class QueryDecoder {

    // The snapshot message names each damping of each block and must stay below what clients take.
    private static final long MAX_DAMPING_VALUES = 1 << 17;

    private final RunRegistry runs;
    private final QueryExecutor executor;
    private final RpcLimits limits;

    QueryDecoder(RunRegistry runs, QueryExecutor executor, RpcLimits limits) {
        this.runs = runs;
        this.executor = executor;
        this.limits = limits;
    }

    /**
     * Returns the plan, which the caller closes or submits. Validation gradients in it have still to be filled.
     *
     * @throws InvalidRequestException if a field is out of range
     * @throws io.datainf.engine.run.UnknownRunException if there is no such run
     * @throws UnsupportedRequestException if it names something that is not offered
     * @throws RequestTooLargeException if it asks for more than the server computes
     * @throws io.datainf.sidecar.query.QueryMemoryException if memory for queries is taken
     */
    QueryPlan decode(QuerySpec spec) {
        Run run = runs.get(RunIds.decode("spec.run_id", spec.getRunId()));
        BlockLayout layout = run.definition().layout();
        InvalidRequestException.Collector violations = new InvalidRequestException.Collector();
        boolean mean = mean(spec);
        InfluenceMethod method = method(spec);
        requireRaw(spec);
        List<Damping> dampings = dampings(spec, run, violations);
        SampleSelection selection = selection(spec, violations);
        violations.require(
                !(spec.getPerBlock() && selection instanceof SampleSelection.Top),
                "spec.per_block",
                "spec.per_block is true with spec.selection top: expected all samples or given ids");
        violations.require(
                spec.getMinRevision() >= 0,
                "spec.min_revision",
                "spec.min_revision is %d: expected at least 0",
                spec.getMinRevision());
        int count = pointCount(spec, violations);
        ElementType elementType = ElementTypes.decode(
                spec.getValidationGradients().getElementType(),
                spec.getValidationGradients().getElementTypeValue(),
                "spec.validation_gradients.element_type",
                violations);
        violations.throwIfAny();
        requireSize(count, layout);
        QueryOptions options = new QueryOptions(spec.getPerBlock(), spec.getMinRevision(), spec.getReproducible());
        // Last, because from here on memory is held.
        QuerySource source = spec.hasStoredSamples()
                ? new StoredSamples(ids(count, spec.getStoredSamples()::getSampleIds))
                : executor.allocate(layout, count, elementType);
        return new QueryPlan(run, source, mean, method, dampings, selection, options);
    }

    private static boolean mean(QuerySpec spec) {
        return switch (spec.getAggregation()) {
            case AGGREGATION_UNSPECIFIED, AGGREGATION_EACH -> false;
            case AGGREGATION_MEAN -> true;
            case UNRECOGNIZED ->
                throw new UnsupportedRequestException(
                        "aggregation %d".formatted(spec.getAggregationValue()), "EACH and MEAN are");
        };
    }

    private static InfluenceMethod method(QuerySpec spec) {
        return switch (spec.getMethod()) {
            case INFLUENCE_METHOD_UNSPECIFIED, INFLUENCE_METHOD_DATAINF -> new InfluenceMethod.DataInf();
            case INFLUENCE_METHOD_HESSIAN_FREE -> new InfluenceMethod.HessianFree();
            case INFLUENCE_METHOD_LISSA, INFLUENCE_METHOD_LISSA_REFERENCE, INFLUENCE_METHOD_EXACT ->
                throw unsupportedMethod(spec.getMethod().name());
            case UNRECOGNIZED -> throw unsupportedMethod(Integer.toString(spec.getMethodValue()));
        };
    }

    private static UnsupportedRequestException unsupportedMethod(String name) {
        return new UnsupportedRequestException(
                "method %s".formatted(name), "INFLUENCE_METHOD_DATAINF and INFLUENCE_METHOD_HESSIAN_FREE are");
    }

    private static void requireRaw(QuerySpec spec) {
        switch (spec.getNormalization()) {
            case NORMALIZATION_UNSPECIFIED, NORMALIZATION_RAW -> {}
            case NORMALIZATION_COSINE, NORMALIZATION_RELATIF ->
                throw unsupportedNormalization(spec.getNormalization().name());
            case UNRECOGNIZED -> throw unsupportedNormalization(Integer.toString(spec.getNormalizationValue()));
        }
    }

    private static UnsupportedRequestException unsupportedNormalization(String name) {
        return new UnsupportedRequestException("normalization %s".formatted(name), "NORMALIZATION_RAW is");
    }

    private static List<Damping> dampings(QuerySpec spec, Run run, InvalidRequestException.Collector violations) {
        if (spec.getDampingsCount() == 0) {
            return List.of(new Damping.Scaled(run.definition().dampingScale()));
        }
        int blockCount = run.definition().layout().blockCount();
        long valueCount = (long) spec.getDampingsCount() * blockCount;
        if (valueCount > MAX_DAMPING_VALUES) {
            throw new RequestTooLargeException(
                    "the query asks for %d dampings of %d blocks: expected a product of at most %d"
                            .formatted(spec.getDampingsCount(), blockCount, MAX_DAMPING_VALUES));
        }
        List<Damping> dampings = new ArrayList<>();
        for (int i = 0; i < spec.getDampingsCount(); i++) {
            String field = "spec.dampings[%d]".formatted(i);
            io.datainf.proto.v1.Damping damping = spec.getDampings(i);
            try {
                switch (damping.getKindCase()) {
                    case SCALE -> dampings.add(new Damping.Scaled(damping.getScale()));
                    case FIXED -> dampings.add(fixed(damping.getFixed(), blockCount));
                    case KIND_NOT_SET -> violations.add(field, field + " is empty: expected scale or fixed");
                }
            } catch (IllegalArgumentException e) {
                violations.add(field, String.valueOf(e.getMessage()));
            }
        }
        return dampings;
    }

    private static Damping fixed(FixedDamping damping, int blockCount) {
        if (damping.getValuesCount() != 1 && damping.getValuesCount() != blockCount) {
            throw new IllegalArgumentException("fixed damping has %d values: expected 1 or %d, one a block"
                    .formatted(damping.getValuesCount(), blockCount));
        }
        double[] values = new double[damping.getValuesCount()];
        for (int i = 0; i < values.length; i++) {
            values[i] = damping.getValues(i);
        }
        return new Damping.Fixed(values);
    }

    private static SampleSelection selection(QuerySpec spec, InvalidRequestException.Collector violations) {
        if (!spec.hasSelection()) {
            return new SampleSelection.All();
        }
        Selection selection = spec.getSelection();
        switch (selection.getKindCase()) {
            case ALL -> {}
            case TOP -> {
                if (selection.getTop().getCount() >= 1) {
                    return new SampleSelection.Top(selection.getTop().getCount(), ranking(selection.getTop()));
                }
                violations.add(
                        "spec.selection.top.count",
                        "spec.selection.top.count is %d: expected at least 1"
                                .formatted(selection.getTop().getCount()));
            }
            case GIVEN -> {
                int count = selection.getGiven().getSampleIdsCount();
                if (count >= 1) {
                    return new SampleSelection.Given(ids(count, selection.getGiven()::getSampleIds));
                }
                violations.add(
                        "spec.selection.given.sample_ids",
                        "spec.selection.given.sample_ids is empty: expected at least 1 id");
            }
            case KIND_NOT_SET ->
                violations.add("spec.selection", "spec.selection is empty: expected all, top or given");
        }
        return new SampleSelection.All();
    }

    private static Ranking ranking(TopSamples top) {
        return switch (top.getRanking()) {
            case RANKING_UNSPECIFIED, RANKING_MOST_HARMFUL -> Ranking.MOST_HARMFUL;
            case RANKING_MOST_HELPFUL -> Ranking.MOST_HELPFUL;
            case RANKING_ABSOLUTE -> Ranking.ABSOLUTE;
            case UNRECOGNIZED ->
                throw new UnsupportedRequestException(
                        "ranking %d".formatted(top.getRankingValue()), "MOST_HARMFUL, MOST_HELPFUL and ABSOLUTE are");
        };
    }

    private static int pointCount(QuerySpec spec, InvalidRequestException.Collector violations) {
        switch (spec.getSourceCase()) {
            case VALIDATION_GRADIENTS -> {
                ValidationGradients gradients = spec.getValidationGradients();
                violations.require(
                        gradients.getCount() >= 1,
                        "spec.validation_gradients.count",
                        "spec.validation_gradients.count is %d: expected at least 1",
                        gradients.getCount());
                return gradients.getCount();
            }
            case STORED_SAMPLES -> {
                int count = spec.getStoredSamples().getSampleIdsCount();
                violations.require(
                        count >= 1,
                        "spec.stored_samples.sample_ids",
                        "spec.stored_samples.sample_ids is empty: expected at least 1 id");
                return count;
            }
            case SOURCE_NOT_SET ->
                violations.add("spec.source", "spec.source is empty: expected validation_gradients or stored_samples");
        }
        return 0;
    }

    private void requireSize(int count, BlockLayout layout) {
        long elements = (long) count * layout.dimension();
        if (elements > limits.maxQueryElements()) {
            throw new RequestTooLargeException("the query has %d elements (count %d * D %d): expected at most %d"
                    .formatted(elements, count, layout.dimension(), limits.maxQueryElements()));
        }
    }

    private static long[] ids(int count, IntToLongFunction idAt) {
        long[] ids = new long[count];
        for (int i = 0; i < count; i++) {
            ids[i] = idAt.applyAsLong(i);
        }
        return ids;
    }
}
