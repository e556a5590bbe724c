package io.datainf.sidecar.rpc;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.influence.Ranking;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunRegistry;
import io.datainf.proto.v1.QuerySpec;
import io.datainf.proto.v1.Selection;
import io.datainf.proto.v1.TopSamples;
import io.datainf.sidecar.query.Normalization;
import io.datainf.sidecar.query.QueryOptions;
import io.datainf.sidecar.query.QueryPlan;
import io.datainf.sidecar.query.QuerySource;
import io.datainf.sidecar.query.SampleSelection;
import java.util.List;

/** Checks what is asked and turns it into a plan. */
final class QueryDecoder {

    private final RunRegistry runs;
    private final SourceDecoder sources;
    private final long solverMemoryBytes;

    /**
     * Creates a decoder.
     *
     * @param solverMemoryBytes what the solver of EXACT may take
     */
    QueryDecoder(RunRegistry runs, SourceDecoder sources, long solverMemoryBytes) {
        this.runs = runs;
        this.sources = sources;
        this.solverMemoryBytes = solverMemoryBytes;
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
        InvalidRequestException.Collector violations = new InvalidRequestException.Collector();
        boolean mean = mean(spec);
        InfluenceMethod method = method(spec, violations);
        Normalization normalization = Normalizations.decode(spec.getNormalization(), spec.getNormalizationValue());
        List<Damping> dampings = Dampings.decodeAll(spec.getDampingsList(), run, violations);
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
        SourceDecoder.Source source = SourceDecoder.check(
                spec.hasValidationGradients(),
                spec.getValidationGradients(),
                spec.hasStoredSamples(),
                spec.getStoredSamples(),
                violations);
        violations.throwIfAny();
        QueryOptions options =
                new QueryOptions(spec.getPerBlock(), normalization, spec.getMinRevision(), spec.getReproducible());
        // Last, because from here on memory is held.
        QuerySource opened = sources.open(source, run.definition().layout());
        return new QueryPlan(run, opened, mean, method, dampings, selection, options);
    }

    private InfluenceMethod method(QuerySpec spec, InvalidRequestException.Collector violations) {
        Methods.Options options =
                Methods.Options.decode(spec.getLissa(), spec.getExact(), "spec.", solverMemoryBytes, violations);
        InfluenceMethod method = options.method(spec.getMethod(), spec.getMethodValue());
        boolean lissa = method instanceof InfluenceMethod.Lissa || method instanceof InfluenceMethod.LissaReference;
        violations.require(
                lissa || !spec.hasLissa(),
                "spec.lissa",
                "spec.lissa is set with spec.method %s: expected LISSA or LISSA_REFERENCE",
                spec.getMethod());
        violations.require(
                method instanceof InfluenceMethod.Exact || !spec.hasExact(),
                "spec.exact",
                "spec.exact is set with spec.method %s: expected EXACT",
                spec.getMethod());
        return method;
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
                    return new SampleSelection.Given(
                            SourceDecoder.ids(selection.getGiven().getSampleIdsList()));
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
}
