/**
 * Loops over floats behind one interface, {@link io.datainf.engine.kernel.GradientKernels}. Knows rows, blocks and columns, and
 * nothing of damping or influence. The only package that sees {@code jdk.incubator.vector} and ND4J.
 */
@NullMarked
package io.datainf.engine.kernel;

import org.jspecify.annotations.NullMarked;
