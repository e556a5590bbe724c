/** Composition root of the sidecar: the main method and the configuration. */
@NullMarked
package io.datainf.sidecar.server;

import org.jspecify.annotations.NullMarked;
