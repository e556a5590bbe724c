/**
 * The mathematics of influence and nothing else: per-block statistics, damping, the inverse Hessian-vector product, scores
 * and rankings. Symbols: blocks l = 0..L-1 of width d_l; training gradients g_{i,l}; squared norms q_{i,l} =
 * |g_{i,l}|^2; damping lambda_l; validation gradient v_l; inverse Hessian-vector product h_l.
 */
@NullMarked
package io.datainf.engine.influence;

import org.jspecify.annotations.NullMarked;
