package io.datainf.sidecar.tracing;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Something that has ended, such as a query: a span with a child for each stage. Moments are those of {@link System#nanoTime}.
 *
 * @param name of the span
 * @param startNanos when it began
 * @param endNanos when it ended
 * @param attributes what it was about: texts, and whole numbers
 * @param stages its parts
 * @param error why it failed, in a word; empty if it did not
 */
public record Operation(
        String name,
        long startNanos,
        long endNanos,
        Map<String, Object> attributes,
        List<Stage> stages,
        Optional<String> error) {

    public Operation {
        attributes = Map.copyOf(attributes);
        stages = List.copyOf(stages);
    }

    /** A part of an operation. */
    public record Stage(String name, long startNanos, long endNanos) {}
}
