/**
 * Meters, and how they look to Prometheus. Other packages report events through interfaces of their own; only this package
 * and the composition root know Micrometer.
 */
@NullMarked
package io.datainf.sidecar.metrics;

import org.jspecify.annotations.NullMarked;
