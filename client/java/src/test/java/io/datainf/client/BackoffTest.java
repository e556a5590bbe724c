package io.datainf.client;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Any;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class BackoffTest {
    private long nowNanos = 42;
    private final Backoff backoff = new Backoff(Duration.ofSeconds(60), () -> nowNanos);

    private static DataInfException failure(Status.Code code) {
        return DataInfException.of(WriterSamples.status(code));
    }

    private static DataInfException withRetryInfo(Status.Code code, int seconds) {
        RetryInfo info = RetryInfo.newBuilder()
                .setRetryDelay(com.google.protobuf.Duration.newBuilder().setSeconds(seconds))
                .build();
        return DataInfException.of(WriterSamples.status(code, Any.pack(info)));
    }

    @Test
    void pauseAfter_unavailable_doublesWithJitterUpToALimit() {
        long mean = 100;
        for (int attempt = 0; attempt < 20; attempt++) {
            assertThat(backoff.pauseAfter(failure(Status.Code.UNAVAILABLE)).orElseThrow())
                    .isBetween(Duration.ofMillis(mean / 2), Duration.ofMillis(mean + mean / 2));
            mean = Math.min(2 * mean, 5_000);
        }
    }

    @Test
    void pauseAfter_retryInfo_wins() {
        assertThat(backoff.pauseAfter(withRetryInfo(Status.Code.UNAVAILABLE, 17)))
                .hasValue(Duration.ofSeconds(17));
        assertThat(backoff.pauseAfter(withRetryInfo(Status.Code.RESOURCE_EXHAUSTED, 18)))
                .hasValue(Duration.ofSeconds(18));
    }

    @Test
    void pauseAfter_deadline_countsFromTheFirstFailureSinceProgress() {
        assertThat(backoff.pauseAfter(withRetryInfo(Status.Code.UNAVAILABLE, 30)))
                .isPresent();
        nowNanos += TimeUnit.SECONDS.toNanos(31);
        assertThat(backoff.pauseAfter(withRetryInfo(Status.Code.UNAVAILABLE, 30)))
                .isEmpty();
        backoff.progress();
        assertThat(backoff.pauseAfter(withRetryInfo(Status.Code.UNAVAILABLE, 30)))
                .isPresent();
    }

    @ParameterizedTest
    @EnumSource(
            value = Status.Code.class,
            mode = EnumSource.Mode.EXCLUDE,
            names = {"OK", "UNAVAILABLE", "CANCELLED", "DATA_LOSS"})
    void pauseAfter_otherCodes_givesUp(Status.Code code) {
        assertThat(backoff.pauseAfter(failure(code))).isEmpty();
    }
}
