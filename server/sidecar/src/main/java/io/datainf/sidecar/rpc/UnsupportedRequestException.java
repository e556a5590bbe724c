package io.datainf.sidecar.rpc;

/** A request names something that this server does not offer. */
final class UnsupportedRequestException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    UnsupportedRequestException(String what, String offered) {
        super("%s is not offered by this server: %s".formatted(what, offered));
    }
}
