package io.datainf.sidecar.rpc;

/** Too many queries of one stream wait for their gradients. */
final class TooManyOpenQueriesException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    TooManyOpenQueriesException(int limit) {
        super("%d queries of this stream wait for their gradients already: expected fewer".formatted(limit));
    }
}
