/**
 * Traces of batches and queries, for OpenTelemetry. The only package that knows that library. Attributes hold no
 * gradients and no tokens.
 */
@NullMarked
package io.datainf.sidecar.tracing;

import org.jspecify.annotations.NullMarked;
