package io.datainf.sidecar.rpc;

/** The server takes nothing more, because it is stopping. */
final class ServerStoppingException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    ServerStoppingException() {
        super("the server is stopping: connect again");
    }
}
