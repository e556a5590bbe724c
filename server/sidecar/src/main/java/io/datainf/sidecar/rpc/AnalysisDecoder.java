package io.datainf.sidecar.rpc;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunRegistry;
import io.datainf.proto.v1.CompareMethodsSpec;
import io.datainf.proto.v1.ComputeSelfInfluenceRequest;
import io.datainf.sidecar.query.ComparisonPlan;
import io.datainf.sidecar.query.SelfInfluencePlan;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/** Checks what the analysis service is asked and turns it into plans. */
final class AnalysisDecoder {

    private static final List<io.datainf.proto.v1.InfluenceMethod> COMPARED_BY_DEFAULT = List.of(
            io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_DATAINF,
            io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_HESSIAN_FREE,
            io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_LISSA);

    private final RunRegistry runs;
    private final SourceDecoder sources;
    private final long solverMemoryBytes;

    /**
     * Creates a decoder.
     *
     * @param solverMemoryBytes what the solver of EXACT may take
     */
    AnalysisDecoder(RunRegistry runs, SourceDecoder sources, long solverMemoryBytes) {
        this.runs = runs;
        this.sources = sources;
        this.solverMemoryBytes = solverMemoryBytes;
    }

    /** Returns the plan. Throws as {@link QueryDecoder#decode} does. */
    SelfInfluencePlan decode(ComputeSelfInfluenceRequest request) {
        Run run = runs.get(RunIds.decode("run_id", request.getRunId()));
        InvalidRequestException.Collector violations = new InvalidRequestException.Collector();
        Damping damping = request.hasDamping()
                ? Dampings.decode(request.getDamping(), "damping", run, violations)
                : Dampings.ofRun(run);
        Optional<long[]> sampleIds = Optional.empty();
        switch (request.getSamplesCase()) {
            case ALL -> {}
            case GIVEN -> {
                violations.require(
                        request.getGiven().getSampleIdsCount() >= 1,
                        "given.sample_ids",
                        "given.sample_ids is empty: expected at least 1 id");
                sampleIds = Optional.of(SourceDecoder.ids(request.getGiven().getSampleIdsList()));
            }
            case SAMPLES_NOT_SET -> violations.add("samples", "samples is empty: expected all or given");
        }
        requireRevision("min_revision", request.getMinRevision(), violations);
        violations.throwIfAny();
        return new SelfInfluencePlan(run, damping, sampleIds, request.getMinRevision());
    }

    /** Returns the plan, which the caller closes or submits, still to be filled. Throws as {@link QueryDecoder#decode} does. */
    ComparisonPlan decode(CompareMethodsSpec spec) {
        Run run = runs.get(RunIds.decode("spec.run_id", spec.getRunId()));
        InvalidRequestException.Collector violations = new InvalidRequestException.Collector();
        Damping damping = spec.hasDamping()
                ? Dampings.decode(spec.getDamping(), "spec.damping", run, violations)
                : Dampings.ofRun(run);
        Methods.Options options =
                Methods.Options.decode(spec.getLissa(), spec.getExact(), "spec.", solverMemoryBytes, violations);
        List<InfluenceMethod> methods = methods(spec, options, violations);
        SourceDecoder.Source source = SourceDecoder.check(
                spec.hasValidationGradients(),
                spec.getValidationGradients(),
                spec.hasStoredSamples(),
                spec.getStoredSamples(),
                violations);
        requireRevision("spec.min_revision", spec.getMinRevision(), violations);
        violations.throwIfAny();
        // Last, because from here on memory is held.
        return new ComparisonPlan(
                run,
                sources.open(source, run.definition().layout()),
                methods,
                options.exact(),
                damping,
                spec.getMinRevision());
    }

    static void requireRevision(String field, long minRevision, InvalidRequestException.Collector violations) {
        violations.require(minRevision >= 0, field, "%s is %d: expected at least 0", field, minRevision);
    }

    private static List<InfluenceMethod> methods(
            CompareMethodsSpec spec, Methods.Options options, InvalidRequestException.Collector violations) {
        if (spec.getMethodsCount() == 0) {
            return COMPARED_BY_DEFAULT.stream()
                    .map(method -> options.method(method, method.getNumber()))
                    .toList();
        }
        Set<io.datainf.proto.v1.InfluenceMethod> seen = EnumSet.noneOf(io.datainf.proto.v1.InfluenceMethod.class);
        for (io.datainf.proto.v1.InfluenceMethod method : spec.getMethodsList()) {
            violations.require(
                    seen.add(method), "spec.methods", "spec.methods names %s twice: expected each once", method);
        }
        return IntStream.range(0, spec.getMethodsCount())
                .mapToObj(i -> options.method(spec.getMethods(i), spec.getMethodsValue(i)))
                .toList();
    }
}
