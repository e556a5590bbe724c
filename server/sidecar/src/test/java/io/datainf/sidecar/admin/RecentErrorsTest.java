package io.datainf.sidecar.admin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class RecentErrorsTest {

    private final AtomicLong seconds = new AtomicLong();
    private final RecentErrors errors = new RecentErrors(() -> Instant.ofEpochSecond(seconds.get()));

    @Test
    void repetitions_areCounted() {
        errors.add("Ingest", Optional.of("run"), "broken");
        seconds.set(7);
        errors.add("Ingest", Optional.of("run"), "broken");
        errors.add("Ingest", Optional.of("other"), "broken");

        assertThat(errors.newestFirst())
                .extracting(entry -> entry.run().orElse(""), RecentErrors.Entry::count, RecentErrors.Entry::lastTime)
                .containsExactly(
                        tuple("other", 1L, Instant.ofEpochSecond(7)), tuple("run", 2L, Instant.ofEpochSecond(7)));
    }

    @Test
    void entriesAndTexts_areBounded() {
        for (int i = 0; i < 1_000; i++) {
            errors.add("Query", Optional.empty(), i + "x".repeat(10_000));
        }

        assertThat(errors.newestFirst())
                .hasSize(50)
                .allSatisfy(entry -> assertThat(entry.text()).hasSizeLessThan(310));
        assertThat(errors.newestFirst().getFirst().text()).startsWith("999x");
    }
}
