/**
 * Loops over floats behind one interface, {@link io.datainf.engine.kernel.GradientKernels}. Knows rows, blocks and columns, and
 * nothing of damping or influence. And dense matrices in float64, to factor and to solve with. The only package that sees
 * {@code jdk.incubator.vector}, ND4J and OpenBLAS.
 */
@NullMarked
package io.datainf.engine.kernel;

import org.jspecify.annotations.NullMarked;
