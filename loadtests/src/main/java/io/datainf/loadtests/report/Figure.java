package io.datainf.loadtests.report;

import static java.util.Objects.requireNonNull;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * One measured figure. What could not be measured has none.
 *
 * @param name what was measured, unique within a suite
 * @param value finite
 * @param unit of {@code value}, e.g. "ms"; "x" for ratios
 * @param target what {@code value} should be, e.g. "<= 1.55"; null when the figure is only reported
 * @param met whether it is; null when there is no target
 */
public record Figure(
        String name,
        double value,
        String unit,
        @Nullable String target,
        @Nullable Boolean met) {

    public Figure {
        requireNonNull(name, "name");
        requireNonNull(unit, "unit");
        if (!Double.isFinite(value)) {
            throw new IllegalArgumentException("value of '%s' is %s: expected a finite number".formatted(name, value));
        }
        if ((target == null) != (met == null)) {
            throw new IllegalArgumentException(
                    "target of '%s' is %s and met is %s: expected both or none".formatted(name, target, met));
        }
    }

    /** A figure without a target. */
    public static Figure reported(String name, double value, String unit) {
        return new Figure(name, value, unit, null, null);
    }

    /** A figure that should not exceed {@code limit}. */
    public static Figure atMost(String name, double value, String unit, double limit) {
        return new Figure(name, value, unit, "<= " + shortest(limit), value <= limit);
    }

    /** A figure that should reach {@code limit}. */
    public static Figure atLeast(String name, double value, String unit, double limit) {
        return new Figure(name, value, unit, ">= " + shortest(limit), value >= limit);
    }

    /** A figure that should lie between two limits, both allowed. */
    public static Figure between(String name, double value, String unit, double least, double most) {
        String target = shortest(least) + " .. " + shortest(most);
        return new Figure(name, value, unit, target, value >= least && value <= most);
    }

    /** The value as people read it: four digits, more before the point. */
    String rounded() {
        double size = Math.abs(value);
        int decimals = size >= 1_000 || value == Math.rint(value) ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
        return String.format(Locale.ROOT, "%,." + decimals + "f", value);
    }

    private static String shortest(double limit) {
        return limit == Math.rint(limit) ? Long.toString((long) limit) : Double.toString(limit);
    }
}
