package io.datainf.engine.influence;

/**
 * How well a method that solves (G_l + lambda_l I) h_l = v_l did: the worst over blocks and validation points.
 *
 * @param converged whether every block of every point reached the tolerance; for LISSA, whether the
 *     residual is at most 1e-3
 * @param iterations most iterations of any block; 0 for direct solvers
 * @param relativeResidual |v_l - (G_l + lambda_l I) h_l| / |v_l| of the answer
 * @param solver "gram", "cholesky", "cg" or "lissa"; those used, joined by '+', where blocks were solved in different ways
 */
public record SolverReport(boolean converged, int iterations, double relativeResidual, String solver) {}
