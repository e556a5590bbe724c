/** Looks whether a machine suits a server, before one runs on it. Changes nothing but a probe file, which it removes. */
@NullMarked
package io.datainf.sidecar.doctor;

import org.jspecify.annotations.NullMarked;
