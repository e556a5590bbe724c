package io.datainf.sidecar.rpc;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** Fields of a request are out of range. */
final class InvalidRequestException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final transient List<Violation> violations;

    private InvalidRequestException(List<Violation> violations) {
        super(violations.stream().map(Violation::description).collect(Collectors.joining("; ")));
        this.violations = List.copyOf(violations);
    }

    InvalidRequestException(String field, String description) {
        this(List.of(new Violation(field, description)));
    }

    /** What is wrong, at least one. */
    List<Violation> violations() {
        return violations;
    }

    /**
     * One field at fault.
     *
     * @param field its path in the request
     * @param description name, value and what was expected
     */
    record Violation(String field, String description) {}

    /** Collects violations, so that one answer names them all. */
    static final class Collector {

        private final List<Violation> violations = new ArrayList<>();

        void add(String field, String description) {
            violations.add(new Violation(field, description));
        }

        /** Adds a violation unless {@code valid}. */
        @FormatMethod
        void require(boolean valid, String field, @FormatString String format, Object... arguments) {
            if (!valid) {
                add(field, format.formatted(arguments));
            }
        }

        boolean isEmpty() {
            return violations.isEmpty();
        }

        /**
         * Ends the check.
         *
         * @throws InvalidRequestException if a violation was added
         */
        void throwIfAny() {
            if (!violations.isEmpty()) {
                throw new InvalidRequestException(violations);
            }
        }
    }
}
