/** Who may do what: tokens, their rights and the file that holds them. Knows neither gRPC nor HTTP. */
@NullMarked
package io.datainf.sidecar.security;

import org.jspecify.annotations.NullMarked;
