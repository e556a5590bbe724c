package io.datainf.sidecar.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.sidecar.query.QueryFailure;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ActivityTest {

    private static final long SECOND = 1_000_000_000L;

    private final AtomicLong now = new AtomicLong();
    private ServerMetrics metrics;
    private Activity activity;

    @BeforeEach
    void open() {
        metrics = new ServerMetrics("test");
        activity = new Activity(metrics.registry(), now::get);
    }

    @AfterEach
    void close() {
        activity.close();
        metrics.close();
    }

    @Test
    void figures_withoutAnything_areZero() {
        ActivityFigures figures = activity.figures();

        assertThat(figures.samplesPerSecond()).isZero();
        assertThat(figures.ack().count()).isZero();
        assertThat(figures.samplesPerSecondHistory()).isEmpty();
        assertThat(figures.methods())
                .hasSize(5)
                .allSatisfy(method -> assertThat(method.answeredCount()).isZero());
    }

    @Test
    void rates_areTakenOverTheLastSteps() {
        store(1_000);
        step();
        store(500);
        step();
        store(100);
        now.addAndGet(5 * SECOND);

        ActivityFigures figures = activity.figures();

        // 600 samples, of 4 bytes, in the last 10 s; the 1,000 are longer ago.
        assertThat(figures.samplesPerSecond()).isCloseTo(60, within(1e-9));
        assertThat(figures.bytesPerSecond()).isCloseTo(240, within(1e-9));
        assertThat(figures.samplesPerSecondHistory()).containsExactly(200.0, 100.0);
        assertThat(figures.windowSeconds()).isEqualTo(15);
    }

    @Test
    void writers_areThoseOfNow() {
        metrics.ingest().streamOpened();
        metrics.ingest().streamOpened();
        metrics.ingest().streamHeld(true);
        metrics.ingest().batchReceived(1, 4);

        assertThat(activity.figures().writers()).isEqualTo(new ActivityFigures.Writers(2, 1, 1));
    }

    @Test
    void latencies_areQuantilesOfTheWindow() {
        for (int i = 0; i < 98; i++) {
            metrics.query().queryAnswered(new InfluenceMethod.DataInf(), 100_000, 30_000_000, 1_500_000);
        }
        metrics.query().queryAnswered(new InfluenceMethod.DataInf(), 100_000, 700_000_000, 1_500_000);
        metrics.query().queryAnswered(new InfluenceMethod.DataInf(), 100_000, 700_000_000, 1_500_000);
        metrics.query().queryFailed(new InfluenceMethod.DataInf(), QueryFailure.FAILED);
        metrics.query().queryFailed(new InfluenceMethod.DataInf(), QueryFailure.CANCELLED);

        ActivityFigures.Method method = activity.figures().methods().getFirst();

        assertThat(method.name()).isEqualTo("datainf");
        assertThat(method.answeredCount()).isEqualTo(100);
        assertThat(method.failedCount()).isEqualTo(1);
        assertThat(method.stages()).containsOnlyKeys("queue", "compute", "respond");
        ActivityFigures.Latency compute = method.stages().get("compute");
        assertThat(Objects.requireNonNull(compute).count()).isEqualTo(100);
        assertThat(compute.medianSeconds()).isBetween(0.025, 0.05);
        assertThat(compute.p99Seconds()).isBetween(0.5, 1.0);
    }

    @Test
    void latencies_beforeTheWindow_doNotCount() {
        metrics.query().queryAnswered(new InfluenceMethod.Exact(1e-6, 10), 1, 1, 1);
        for (int i = 0; i < 70; i++) {
            step();
        }

        assertThat(activity.figures().methods())
                .allSatisfy(method -> assertThat(method.answeredCount()).isZero());
        assertThat(activity.figures().windowSeconds()).isEqualTo(300);
        assertThat(activity.figures().samplesPerSecondHistory()).hasSize(60);
    }

    @Test
    void quantile_isThatOfPrometheus() {
        LatencyCounts counts = new LatencyCounts(new double[] {1, 2, 4}, new double[] {10, 30, 30}, 40);

        // Rank 20 is half way through the second bucket; rank 39.6 lies beyond the last.
        assertThat(counts.quantile(0.5)).isEqualTo(1.5);
        assertThat(counts.quantile(0.1)).isCloseTo(0.4, within(1e-12));
        assertThat(counts.quantile(0.99)).isEqualTo(4);
        assertThat(counts.since(counts).quantile(0.5)).isNaN();
    }

    private void step() {
        now.addAndGet(5 * SECOND);
        activity.note();
    }

    private void store(int sampleCount) {
        metrics.ingest().batchReceived(sampleCount, 4L * sampleCount);
        metrics.ingest().batchAcked(sampleCount, 0, 0, 0, 4L * sampleCount, 1_000_000);
    }
}
