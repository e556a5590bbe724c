package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.nd4j.linalg.api.ndarray.INDArray;

class Nd4jDeviceRowsTest {

    private static final int WIDTH = 6;
    private static final long TILE_BYTES = 256L * WIDTH * Float.BYTES;

    @BeforeAll
    static void loadBackend() {
        Nd4jTestEngine.open();
    }

    @Test
    void rows_areThoseOfTheTile() {
        Nd4jDeviceRows cache = new Nd4jDeviceRows(Long.MAX_VALUE);
        try (Nd4jRowsFixture fixture = new Nd4jRowsFixture(260, 2, 3, 1)) {
            check(cache, fixture.tile(0, 256, 0, 3));
            check(cache, fixture.tile(100, 7, 1, 3));
            check(cache, fixture.tile(256, 4, 0, 2));
        }
    }

    @Test
    void rows_ofOneTileAgain_areCopiedOnce() {
        Nd4jDeviceRows cache = new Nd4jDeviceRows(TILE_BYTES);
        try (Nd4jRowsFixture fixture = new Nd4jRowsFixture(256, WIDTH)) {
            check(cache, fixture.tile(0, 256, 0, 1));
            check(cache, fixture.tile(64, 32, 0, 1));

            assertThat(cache.uploadCount()).isEqualTo(1);
            assertThat(cache.residentBytes()).isEqualTo(TILE_BYTES);
        }
    }

    @Test
    void rows_beyondTheBudget_replaceTheLeastRecentlyUsed() {
        Nd4jDeviceRows cache = new Nd4jDeviceRows(2 * TILE_BYTES);
        try (Nd4jRowsFixture fixture = new Nd4jRowsFixture(3 * 256, WIDTH)) {
            check(cache, fixture.tile(0, 256, 0, 1));
            check(cache, fixture.tile(256, 256, 0, 1));
            check(cache, fixture.tile(0, 256, 0, 1)); // now tile 1 is the eldest
            check(cache, fixture.tile(512, 256, 0, 1));
            assertThat(cache.residentBytes()).isEqualTo(2 * TILE_BYTES);
            assertThat(cache.uploadCount()).isEqualTo(3);

            check(cache, fixture.tile(0, 256, 0, 1));
            check(cache, fixture.tile(512, 256, 0, 1));
            assertThat(cache.uploadCount()).isEqualTo(3);

            check(cache, fixture.tile(256, 256, 0, 1));
            assertThat(cache.uploadCount()).isEqualTo(4);
        }
    }

    @Test
    void rows_inUse_outliveTheBudget() {
        Nd4jDeviceRows cache = new Nd4jDeviceRows(0);
        try (Nd4jRowsFixture fixture = new Nd4jRowsFixture(2 * 256, WIDTH)) {
            GradientTile first = fixture.tile(0, 256, 0, 1);
            try (Nd4jRows rows = cache.rows(first)) {
                check(cache, fixture.tile(256, 256, 0, 1));

                checkValues(rows, first);
                assertThat(cache.residentBytes()).isEqualTo(TILE_BYTES);
            }
            assertThat(cache.residentBytes()).isZero();
        }
    }

    @Test
    void rows_publishedLater_areCopiedWithTheRestOfTheirTile() {
        Nd4jDeviceRows cache = new Nd4jDeviceRows(Long.MAX_VALUE);
        try (Nd4jRowsFixture fixture = new Nd4jRowsFixture(3, WIDTH)) {
            GradientTile before = fixture.tile(0, 3, 0, 1);
            try (Nd4jRows held = cache.rows(before)) {
                fixture.addRows(5);
                check(cache, fixture.tile(0, 8, 0, 1));

                checkValues(held, before); // the old copy goes with its last user
            }
            check(cache, before);
            assertThat(cache.uploadCount()).isEqualTo(2);
            assertThat(cache.residentBytes()).isEqualTo(8L * WIDTH * Float.BYTES);
        }
    }

    @Test
    void rows_ofAClosedMatrix_fail_andLeaveNothing() {
        Nd4jDeviceRows cache = new Nd4jDeviceRows(Long.MAX_VALUE);
        Nd4jRowsFixture fixture = new Nd4jRowsFixture(2, WIDTH);
        GradientTile tile = fixture.tile(0, 2, 0, 1);
        fixture.close();

        assertThatThrownBy(() -> cache.rows(tile)).isInstanceOf(IllegalStateException.class);
        assertThat(cache.residentBytes()).isZero();
    }

    @Test
    void rows_askedForByManyThreads_areCopiedOnce() throws Exception {
        int threads = 8;
        Nd4jDeviceRows cache = new Nd4jDeviceRows(Long.MAX_VALUE);
        CountDownLatch ready = new CountDownLatch(threads);
        try (Nd4jRowsFixture fixture = new Nd4jRowsFixture(256, WIDTH);
                ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            List<Future<?>> results = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                results.add(pool.submit(() -> {
                    ready.countDown();
                    ready.await();
                    check(cache, fixture.tile(0, 256, 0, 1));
                    return null;
                }));
            }
            for (Future<?> result : results) {
                result.get();
            }
            assertThat(cache.uploadCount()).isEqualTo(1);
        }
    }

    private static void check(Nd4jDeviceRows cache, GradientTile tile) {
        try (Nd4jRows rows = cache.rows(tile)) {
            checkValues(rows, tile);
        }
    }

    private static void checkValues(Nd4jRows rows, GradientTile tile) {
        BlockRange range = tile.blocks();
        for (int b = 0; b < range.blockCount(); b++) {
            INDArray block = rows.block(b, 0, range.width(b));
            INDArray transposed = rows.transposedBlock(b);
            for (int k = 0; k < tile.rowCount(); k++) {
                for (int e = 0; e < range.width(b); e++) {
                    float expected =
                            Nd4jRowsFixture.value(tile.firstOrdinal() + k, range.rowOffset() + range.offset(b) + e);
                    assertThat(block.getFloat(k, e)).isEqualTo(expected);
                    assertThat(transposed.getFloat(e, k)).isEqualTo(expected);
                }
            }
        }
    }
}
