package io.datainf.sidecar.metrics;

import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.config.MeterFilter;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/** Renames what Micrometer's own binders call tags in camel case, which {@code promtool check metrics} rejects. */
final class PromtoolNames implements MeterFilter {

    private static final Pattern HUMP = Pattern.compile("(?<=[a-z])(?=[A-Z])");

    @Override
    public Meter.Id map(Meter.Id id) {
        List<Tag> tags = id.getTags().stream()
                .map(tag -> Tag.of(snakeCase(tag.getKey()), tag.getValue()))
                .toList();
        return id.replaceTags(tags);
    }

    private static String snakeCase(String key) {
        return HUMP.matcher(key).replaceAll("_").toLowerCase(Locale.ROOT);
    }
}
