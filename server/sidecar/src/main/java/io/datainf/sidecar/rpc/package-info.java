/**
 * The gRPC face of the server: decodes and validates messages, applies the transport's flow control, encodes answers, and maps
 * errors to statuses. With {@code server} the only package that sees gRPC or the protocol's messages.
 */
@NullMarked
package io.datainf.sidecar.rpc;

import org.jspecify.annotations.NullMarked;
