/** The HTTP port for operators: metrics, liveness, readiness. */
@NullMarked
package io.datainf.sidecar.admin;

import org.jspecify.annotations.NullMarked;
