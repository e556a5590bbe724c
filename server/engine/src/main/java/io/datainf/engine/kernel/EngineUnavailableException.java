package io.datainf.engine.kernel;

/** An engine that was asked for cannot run here. The message is one sentence for the user that names what is missing. */
public final class EngineUnavailableException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    EngineUnavailableException(String message) {
        super(message);
    }

    EngineUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}
