package io.datainf.sidecar.admin;

import java.time.Duration;
import java.util.Locale;

/** Figures as people read them. */
final class Quantities {

    private static final String[] BYTE_UNITS = {"B", "kB", "MB", "GB", "TB", "PB"};
    private static final double STEP = 1000;
    private static final double EXACT_BELOW = 100;

    private Quantities() {}

    /** 1234567 as 1,234,567. */
    static String count(long value) {
        return String.format(Locale.ROOT, "%,d", value);
    }

    /** 1234567 as 1.23 MB. */
    static String bytes(long value) {
        return bytes((double) value);
    }

    /** 1234567 as 1.23 MB. */
    static String bytes(double value) {
        int unit = 0;
        double scaled = value;
        while (Math.abs(scaled) >= STEP && unit < BYTE_UNITS.length - 1) {
            scaled /= STEP;
            unit++;
        }
        return (unit == 0 ? String.format(Locale.ROOT, "%.0f", scaled) : threeDigits(scaled)) + " " + BYTE_UNITS[unit];
    }

    /** 12.345 as 12.3. */
    static String rate(double value) {
        return value >= EXACT_BELOW ? count(Math.round(value)) : threeDigits(value);
    }

    /** 0.0123 as 12.3 ms; a dash for nothing measured. */
    static String seconds(double value) {
        if (Double.isNaN(value)) {
            return "–";
        }
        return value >= 1 ? threeDigits(value) + " s" : threeDigits(value * STEP) + " ms";
    }

    /** 0.000012345 as 1.23e-05. */
    static String scientific(double value) {
        return value == 0 ? "0" : String.format(Locale.ROOT, "%.2e", value);
    }

    /** 3 d 4 h, 4 h 5 min, 5 min 6 s, 6 s. */
    static String duration(Duration time) {
        if (time.toDays() > 0) {
            return "%d d %d h".formatted(time.toDays(), time.toHoursPart());
        }
        if (time.toHours() > 0) {
            return "%d h %d min".formatted(time.toHours(), time.toMinutesPart());
        }
        return time.toMinutes() > 0
                ? "%d min %d s".formatted(time.toMinutes(), time.toSecondsPart())
                : "%d s".formatted(time.toSeconds());
    }

    private static String threeDigits(double value) {
        double size = Math.abs(value);
        int decimals = size >= 100 ? 0 : size >= 10 ? 1 : 2;
        return String.format(Locale.ROOT, "%." + decimals + "f", value);
    }
}
