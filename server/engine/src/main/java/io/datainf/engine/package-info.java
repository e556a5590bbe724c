/** Everything that is true without a network: the mathematics, the kernels and the storage. */
@NullMarked
package io.datainf.engine;

import org.jspecify.annotations.NullMarked;
