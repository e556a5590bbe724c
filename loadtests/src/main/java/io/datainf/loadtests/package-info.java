/** Benchmarks and load generators. */
@NullMarked
package io.datainf.loadtests;

import org.jspecify.annotations.NullMarked;
