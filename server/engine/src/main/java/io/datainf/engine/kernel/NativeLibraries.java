package io.datainf.engine.kernel;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What everything that JavaCPP loads has in common. */
final class NativeLibraries {

    // What the loader of the system says.
    private static final Pattern MISSING_LIBRARY =
            Pattern.compile("([^\\s/:]+\\.so[.\\d]*): cannot open shared object");

    private NativeLibraries() {}

    /**
     * Lifts JavaCPP's limits on memory unless they were set. Before JavaCPP is loaded: by default it refuses to allocate once the process, our
     * rows included, has grown to a few times the heap.
     */
    static void liftMemoryLimits() {
        setDefault("org.bytedeco.javacpp.maxBytes", "0");
        setDefault("org.bytedeco.javacpp.maxPhysicalBytes", "0");
    }

    private static void setDefault(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }

    /** The missing library, else what went wrong first, as one line. */
    static String reason(Throwable e) {
        Throwable cause = e;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        String message = String.valueOf(cause.getMessage());
        Matcher missing = MISSING_LIBRARY.matcher(message);
        if (missing.find()) {
            return missing.group(1) + " is not found";
        }
        return "%s: %s"
                .formatted(
                        cause.getClass().getSimpleName(),
                        message.lines().findFirst().orElse(""));
    }
}
