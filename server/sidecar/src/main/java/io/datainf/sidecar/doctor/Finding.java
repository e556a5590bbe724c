package io.datainf.sidecar.doctor;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;

/**
 * What was found about one thing.
 *
 * @param level how bad it is
 * @param subject the thing, one word
 * @param text what it is like and, if it should be otherwise, what to do
 */
public record Finding(Level level, String subject, String text) {

    /** How bad something is. */
    public enum Level {
        /** As it should be. */
        OK,
        /** A server runs, but slower or less safe than it could. */
        WARN,
        /** A server does not start, or ends before long. */
        FAIL
    }

    @FormatMethod
    static Finding ok(String subject, @FormatString String text, Object... arguments) {
        return new Finding(Level.OK, subject, text.formatted(arguments));
    }

    @FormatMethod
    static Finding warn(String subject, @FormatString String text, Object... arguments) {
        return new Finding(Level.WARN, subject, text.formatted(arguments));
    }

    @FormatMethod
    static Finding fail(String subject, @FormatString String text, Object... arguments) {
        return new Finding(Level.FAIL, subject, text.formatted(arguments));
    }
}
