package io.datainf.sidecar.rpc;

import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.proto.v1.ExactOptions;
import io.datainf.proto.v1.LissaOptions;
import java.util.List;

/** Translates methods and their options between the protocol and the engine. */
final class Methods {

    /** All that queries may name. */
    static final List<io.datainf.proto.v1.InfluenceMethod> OFFERED = List.of(
            io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_DATAINF,
            io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_HESSIAN_FREE,
            io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_LISSA,
            io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_LISSA_REFERENCE,
            io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_EXACT);

    private static final int MAX_ITERATIONS = 10_000;

    private Methods() {}

    static io.datainf.proto.v1.InfluenceMethod encode(InfluenceMethod method) {
        return switch (method) {
            case InfluenceMethod.DataInf() -> io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_DATAINF;
            case InfluenceMethod.HessianFree() -> io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_HESSIAN_FREE;
            case InfluenceMethod.Lissa lissa -> io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_LISSA;
            case InfluenceMethod.LissaReference lissa ->
                io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_LISSA_REFERENCE;
            case InfluenceMethod.Exact exact -> io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_EXACT;
        };
    }

    /**
     * Options of the methods that have some, checked.
     *
     * @param iterations LiSSA's
     * @param alpha LiSSA's
     * @param exact EXACT with its options
     */
    record Options(int iterations, double alpha, InfluenceMethod.Exact exact) {

        /**
         * Checks options, with defaults for what is not there.
         *
         * @param prefix of the fields, e.g. "spec."
         * @param solverMemoryBytes what EXACT may take
         */
        static Options decode(
                LissaOptions lissa,
                ExactOptions exact,
                String prefix,
                long solverMemoryBytes,
                InvalidRequestException.Collector violations) {
            int iterations = lissa.hasIterations() ? lissa.getIterations() : InfluenceMethod.Lissa.DEFAULT_ITERATIONS;
            double alpha = lissa.hasAlpha() ? lissa.getAlpha() : InfluenceMethod.Lissa.DEFAULT_ALPHA;
            double tolerance = exact.hasTolerance() ? exact.getTolerance() : InfluenceMethod.Exact.DEFAULT_TOLERANCE;
            boolean iterationsFit = iterations >= 1 && iterations <= MAX_ITERATIONS;
            boolean alphaFits = alpha > 0 && Double.isFinite(alpha);
            boolean toleranceFits = tolerance > 0 && tolerance < 1;
            violations.require(
                    iterationsFit,
                    prefix + "lissa.iterations",
                    "%slissa.iterations is %d: expected 1 to %d",
                    prefix,
                    iterations,
                    MAX_ITERATIONS);
            violations.require(
                    alphaFits,
                    prefix + "lissa.alpha",
                    "%slissa.alpha is %s: expected a finite number greater than 0",
                    prefix,
                    alpha);
            violations.require(
                    toleranceFits,
                    prefix + "exact.tolerance",
                    "%sexact.tolerance is %s: expected greater than 0 and less than 1",
                    prefix,
                    tolerance);
            // What is at fault is not used; the defaults are valid.
            return new Options(
                    iterationsFit ? iterations : InfluenceMethod.Lissa.DEFAULT_ITERATIONS,
                    alphaFits ? alpha : InfluenceMethod.Lissa.DEFAULT_ALPHA,
                    new InfluenceMethod.Exact(
                            toleranceFits ? tolerance : InfluenceMethod.Exact.DEFAULT_TOLERANCE, solverMemoryBytes));
        }

        /**
         * Returns a method with its options, DATAINF when unspecified.
         *
         * @param number what the request says, for methods of a later protocol
         * @throws UnsupportedRequestException if it is not offered
         */
        InfluenceMethod method(io.datainf.proto.v1.InfluenceMethod method, int number) {
            return switch (method) {
                case INFLUENCE_METHOD_UNSPECIFIED, INFLUENCE_METHOD_DATAINF -> new InfluenceMethod.DataInf();
                case INFLUENCE_METHOD_HESSIAN_FREE -> new InfluenceMethod.HessianFree();
                case INFLUENCE_METHOD_LISSA -> new InfluenceMethod.Lissa(iterations, alpha);
                case INFLUENCE_METHOD_LISSA_REFERENCE -> new InfluenceMethod.LissaReference(iterations, alpha);
                case INFLUENCE_METHOD_EXACT -> exact;
                case UNRECOGNIZED ->
                    throw new UnsupportedRequestException(
                            "method %d".formatted(number),
                            "DATAINF, HESSIAN_FREE, LISSA, LISSA_REFERENCE and EXACT are");
            };
        }
    }
}
