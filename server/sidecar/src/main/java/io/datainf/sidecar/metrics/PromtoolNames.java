package io.datainf.sidecar.metrics;

import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.config.MeterFilter;
import io.micrometer.core.instrument.config.MeterFilterReply;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Keeps {@code promtool check metrics} content with Micrometer's own binders: tags in camel case get snake case, and two meters whose
 * names it rejects are left out.
 */
final class PromtoolNames implements MeterFilter {

    private static final Set<String> REJECTED = Set.of("process.cpu.time", "system.cpu.count");
    private static final Pattern HUMP = Pattern.compile("(?<=[a-z])(?=[A-Z])");

    @Override
    public MeterFilterReply accept(Meter.Id id) {
        return REJECTED.contains(id.getName()) ? MeterFilterReply.DENY : MeterFilterReply.NEUTRAL;
    }

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
