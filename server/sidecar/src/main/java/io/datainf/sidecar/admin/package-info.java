/** The HTTP port for operators: status page, metrics, liveness, readiness. */
@NullMarked
package io.datainf.sidecar.admin;

import org.jspecify.annotations.NullMarked;
