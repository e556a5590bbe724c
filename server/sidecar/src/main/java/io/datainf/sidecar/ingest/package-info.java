/** Streams of writers: order of batches, fragments, acks, back-pressure. Knows neither gRPC nor files. */
@NullMarked
package io.datainf.sidecar.ingest;

import org.jspecify.annotations.NullMarked;
