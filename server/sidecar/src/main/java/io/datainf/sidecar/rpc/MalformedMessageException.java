package io.datainf.sidecar.rpc;

import com.google.errorprone.annotations.FormatMethod;

/** The bytes of a message are not what Protocol Buffers allow. */
final class MalformedMessageException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /**
     * Creates the exception.
     *
     * @param position bytes of the message before the place at fault
     * @param format says what was found and what is expected
     */
    @FormatMethod
    MalformedMessageException(int position, String format, Object... arguments) {
        super("after %d bytes, %s".formatted(position, format.formatted(arguments)));
    }
}
