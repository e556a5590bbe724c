package io.datainf.sidecar.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.kernel.DeviceFigures;
import io.datainf.engine.run.GradientHealth;
import io.datainf.engine.run.StorageFigures;
import io.datainf.sidecar.query.QueryFailure;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ServerMetricsTest {

    private final ServerMetrics metrics = new ServerMetrics("test");

    @AfterEach
    void close() {
        metrics.close();
    }

    @Test
    void ingest_afterBatches_countsSamplesByOutcome() {
        metrics.ingest().streamOpened();
        metrics.ingest().streamHeld(true);
        metrics.ingest().batchReceived(5, 100);
        metrics.ingest().batchReceived(2, 40);
        metrics.ingest().batchReceived(1, 20);
        metrics.ingest().batchAcked(2, 3, 1, 2, 100, 3_000_000);
        metrics.ingest().batchFailed(2, 40);

        assertThat(scrape())
                .contains(
                        "datainf_ingest_streams 1.0",
                        "datainf_ingest_streams_held 1.0",
                        "datainf_ingest_pending_batches 1.0",
                        "datainf_ingest_received_bytes_total 160.0",
                        "datainf_ingest_batches_total{outcome=\"acked\"} 1.0",
                        "datainf_ingest_batches_total{outcome=\"failed\"} 1.0",
                        "datainf_ingest_samples_total{outcome=\"stored\"} 2.0",
                        "datainf_ingest_samples_total{outcome=\"replaced\"} 3.0",
                        "datainf_ingest_samples_total{outcome=\"duplicate\"} 1.0",
                        "datainf_ingest_samples_total{outcome=\"rejected\"} 2.0",
                        "datainf_ingest_samples_total{outcome=\"failed\"} 2.0",
                        "datainf_ingest_ack_seconds_count 1",
                        "datainf_ingest_ack_seconds_bucket{le=\"0.002\"} 0",
                        "datainf_ingest_ack_seconds_bucket{le=\"0.005\"} 1");

        metrics.ingest().streamHeld(false);
        metrics.ingest().streamClosed();
        assertThat(scrape()).contains("datainf_ingest_streams 0.0", "datainf_ingest_streams_held 0.0");
    }

    @Test
    void showEngine_isATag() {
        metrics.showEngine("nd4j");

        assertThat(scrape()).contains("datainf_engine_info{engine=\"nd4j\"} 1");
    }

    @Test
    void watchWarmUp_asksAtEachScrape() {
        AtomicBoolean warm = new AtomicBoolean();
        metrics.watchWarmUp(warm::get);
        assertThat(scrape()).contains("datainf_kernels_warm 0.0");

        warm.set(true);
        assertThat(scrape()).contains("datainf_kernels_warm 1.0");
    }

    @Test
    void store_afterForce_countsBytesAndTime() {
        metrics.store().appended(2, 7, 4096);
        metrics.store().forced(20_000_000);
        metrics.store().failed();
        metrics.store().tailCut(12);
        metrics.store().damaged();

        assertThat(scrape())
                .contains(
                        "datainf_store_damages_total 1.0",
                        "datainf_store_appended_bytes_total 4096.0",
                        "datainf_store_force_seconds_count 1",
                        "datainf_store_failures_total 1.0",
                        "datainf_store_tail_cut_bytes_total 12.0");
    }

    @Test
    void query_afterAnswer_timesEachStageByMethod() {
        metrics.query().queryAnswered(new InfluenceMethod.DataInf(), 1_000, 2_000_000, 3_000);
        metrics.query().queryFailed(new InfluenceMethod.HessianFree(), QueryFailure.FAILED);
        metrics.query().queryFailed(new InfluenceMethod.HessianFree(), QueryFailure.CANCELLED);
        metrics.query().queryRefused();
        metrics.watchQueryQueue(() -> 4, 128);

        assertThat(scrape())
                .contains(
                        "datainf_queries_total{method=\"datainf\",outcome=\"answered\"} 1.0",
                        "datainf_queries_total{method=\"hessian_free\",outcome=\"failed\"} 1.0",
                        "datainf_queries_total{method=\"hessian_free\",outcome=\"cancelled\"} 1.0",
                        "datainf_queries_total{method=\"hessian_free\",outcome=\"invalid\"} 0.0",
                        "datainf_queries_total{method=\"any\",outcome=\"refused\"} 1.0",
                        "datainf_query_duration_seconds_sum{method=\"datainf\"} 0.002001",
                        "datainf_query_stage_seconds_count{method=\"datainf\",stage=\"compute\"} 1",
                        "datainf_query_stage_seconds_count{method=\"hessian_free\",stage=\"compute\"} 0",
                        "datainf_query_queue_depth 4.0",
                        "datainf_query_queue_limit 128.0");
    }

    @Test
    void batches_areMeasuredByEngineAndMethod() {
        metrics.showEngine("vector");
        metrics.query().batchComputed("vector", new InfluenceMethod.DataInf(), 3, 20_000_000, 4_096);
        metrics.query().batchComputed("vector", new InfluenceMethod.DataInf(), 32, 20_000_000, 4_096);

        assertThat(scrape())
                .contains(
                        "datainf_query_batch_width_count{engine=\"vector\",method=\"datainf\"} 2",
                        "datainf_query_batch_width_sum{engine=\"vector\",method=\"datainf\"} 35.0",
                        "datainf_query_batch_width_bucket{engine=\"vector\",method=\"datainf\",le=\"2.0\"} 0",
                        "datainf_query_batch_width_bucket{engine=\"vector\",method=\"datainf\",le=\"4.0\"} 1",
                        "datainf_query_scanned_bytes_total{engine=\"vector\",method=\"datainf\"} 8192.0",
                        "datainf_query_batch_compute_seconds_sum{engine=\"vector\",method=\"datainf\"} 0.04",
                        "datainf_query_batch_compute_seconds_count{engine=\"vector\",method=\"exact\"} 0");
    }

    @Test
    void storage_isAskedAtEachScrape() {
        metrics.watchStorage(() -> new StorageFigures(2, 1, 2, 1, 5, 3, 7, 4, true));

        assertThat(scrape())
                .contains(
                        "datainf_runs 2.0",
                        "datainf_runs_open 1.0",
                        "datainf_samples_held 2.0",
                        "datainf_samples_resident 1.0",
                        "datainf_samples_damaged 5.0",
                        "datainf_store_writable 1.0",
                        "datainf_row_memory_bytes 3.0",
                        "datainf_row_memory_spare_bytes 7.0",
                        "datainf_row_memory_budget_bytes 4.0");
    }

    @Test
    void kernels_areBusyByThreadSeconds() {
        metrics.watchKernels(4, () -> 2_500_000_000L);

        assertThat(scrape()).contains("datainf_kernel_threads 4.0", "datainf_kernel_busy_seconds_total 2.5");
    }

    @Test
    void device_isAskedAtEachScrape() {
        metrics.watchDevice(() -> new DeviceFigures(3, 8, 2, 5, 9, 1_500_000_000, 4, 1, false, "why"));

        assertThat(scrape())
                .contains(
                        "datainf_device_working 0.0",
                        "datainf_device_memory_used_bytes 3.0",
                        "datainf_device_memory_size_bytes 8.0",
                        "datainf_device_row_memory_bytes 2.0",
                        "datainf_device_uploaded_bytes_total 5.0",
                        "datainf_device_transferred_bytes_total 9.0",
                        "datainf_device_busy_seconds_total 1.5",
                        "datainf_device_fallbacks_total 4.0",
                        "datainf_device_errors_total 1.0");
    }

    @Test
    void gradients_areAskedAtEachScrape() {
        metrics.watchGradients(() -> new GradientHealth(0.25, 3, 0.5, 8));

        assertThat(scrape())
                .contains(
                        "datainf_gradients_zero_ratio 0.25",
                        "datainf_gradients_skipped_blocks 3.0",
                        "datainf_lambda_least 0.5",
                        "datainf_lambda_greatest 8.0");
    }

    @Test
    void disk_isThatOfTheDirectory(@TempDir Path directory) {
        metrics.watchDisk(directory);

        for (String name : List.of("disk_free_bytes", "disk_total_bytes")) {
            assertThat(scrape())
                    .anyMatch(line -> line.matches(
                            "%s\\{path=\"%s\"} [1-9].*".formatted(name, Pattern.quote(directory.toString()))));
        }
    }

    @Test
    void meters_ofOurs_haveDescriptionsAndNoUnboundedTags() {
        metrics.watchStorage(() -> new StorageFigures(2, 1, 2, 1, 5, 3, 7, 4, true));
        metrics.watchQueryQueue(() -> 0, 128);
        metrics.showEngine("vector");

        assertThat(metrics.registry().getMeters())
                .filteredOn(meter -> meter.getId().getName().startsWith("datainf"))
                .allSatisfy(meter -> {
                    assertThat(meter.getId().getDescription()).isNotBlank();
                    assertThat(meter.getId().getTags())
                            .allMatch(tag -> List.of("outcome", "method", "stage", "version", "engine")
                                    .contains(tag.getKey()));
                });
    }

    private List<String> scrape() {
        return metrics.scrape("text/plain; version=0.0.4").lines().toList();
    }
}
