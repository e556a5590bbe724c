/** Streaming client of the sidecar. */
@NullMarked
package io.datainf.client;

import org.jspecify.annotations.NullMarked;
