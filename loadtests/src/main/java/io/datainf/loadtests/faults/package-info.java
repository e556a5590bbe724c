/** The store under faults, and what its safety costs. */
@NullMarked
package io.datainf.loadtests.faults;

import org.jspecify.annotations.NullMarked;
