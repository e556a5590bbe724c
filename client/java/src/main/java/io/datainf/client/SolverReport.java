package io.datainf.client;

/**
 * How a solver of (G + lambda I) h = v ended: the worst over blocks and validation points.
 *
 * @param converged EXACT: the tolerance was reached; LISSA: the residual is at most 1e-3
 * @param iterations most iterations of any block; 0 for a direct solver
 * @param relativeResidual |v - (G + lambda I) h| / |v|; can be infinite if LISSA diverges
 * @param solver "gram", "cholesky", "cg" or "lissa", joined by '+' where blocks were solved in different ways
 */
public record SolverReport(boolean converged, int iterations, double relativeResidual, String solver) {

    static SolverReport of(io.datainf.proto.v1.SolverReport report) {
        return new SolverReport(
                report.getConverged(), report.getIterations(), report.getRelativeResidual(), report.getSolver());
    }
}
