/** The suite {@code kernels}: how fast stored gradients are read, beside the memory's limit and beside other libraries. */
@NullMarked
package io.datainf.loadtests.kernels;

import org.jspecify.annotations.NullMarked;
