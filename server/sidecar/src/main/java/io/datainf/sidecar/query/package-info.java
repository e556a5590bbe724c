/** Queue, planning and execution of influence queries. Knows neither gRPC nor formulas. */
@NullMarked
package io.datainf.sidecar.query;

import org.jspecify.annotations.NullMarked;
