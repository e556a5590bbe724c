package io.datainf.engine.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class OffHeapRowsTest {

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

    private static void append(OffHeapRows rows, long value) {
        rows.nextRow().set(LONG, 0, value);
        rows.publishRow();
    }

    @Test
    void rows_keepTheirValuesAndPlaces_whileTheTableGrows() {
        long stride = 100_000; // 512 rows a chunk at most
        try (OffHeapRows rows = new OffHeapRows(stride)) {
            append(rows, 0);
            long address = rows.row(0).address();
            for (int i = 1; i < 1500; i++) {
                append(rows, i);
            }
            assertThat(rows.rowCount()).isEqualTo(1500);
            assertThat(rows.row(0).address()).isEqualTo(address);
            for (int i = 0; i < 1500; i++) {
                assertThat(rows.row(i).get(LONG, 0)).isEqualTo(i);
                assertThat(rows.row(i).byteSize()).isEqualTo(stride);
            }
            MemorySegment tile = rows.rows(256, 256);
            assertThat(tile.get(LONG, 255 * stride)).isEqualTo(511);
        }
    }

    @Test
    void newRows_areZero() {
        try (OffHeapRows rows = new OffHeapRows(64)) {
            assertThat(rows.nextRow().toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
        }
    }

    @Test
    void unpublishedRows_cannotBeRead() {
        try (OffHeapRows rows = new OffHeapRows(8)) {
            append(rows, 1);
            rows.nextRow().set(LONG, 0, 2);
            assertThatThrownBy(() -> rows.row(1)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> rows.row(-1)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> rows.rows(0, 2)).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void rowsOfTwoTiles_cannotBeReadAsOne() {
        try (OffHeapRows rows = new OffHeapRows(8)) {
            for (int i = 0; i < 300; i++) {
                append(rows, i);
            }
            assertThat(rows.rows(255, 1).byteSize()).isEqualTo(8);
            assertThatThrownBy(() -> rows.rows(255, 2)).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void readers_seeWholeRowsWhileOneAppends() throws Exception {
        int count = 20_000;
        try (OffHeapRows rows = new OffHeapRows(4096);
                ExecutorService readers = Executors.newFixedThreadPool(2)) {
            CountDownLatch started = new CountDownLatch(2);
            Runnable reader = () -> {
                started.countDown();
                long seen = 0;
                while (seen < count) {
                    long published = rows.rowCount();
                    for (; seen < published; seen++) {
                        assertThat(rows.row(seen).get(LONG, 4088)).isEqualTo(seen);
                    }
                }
            };
            List<Future<?>> ends = List.of(readers.submit(reader), readers.submit(reader));
            started.await();
            for (long i = 0; i < count; i++) {
                rows.nextRow().set(LONG, 4088, i);
                rows.publishRow();
            }
            for (Future<?> end : ends) {
                end.get();
            }
        }
    }

    @Test
    void closedTable_throws() {
        OffHeapRows rows = new OffHeapRows(8);
        append(rows, 1);
        MemorySegment row = rows.row(0);
        rows.close();
        assertThatThrownBy(() -> row.get(LONG, 0)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> rows.row(0).get(LONG, 0)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void close_givesTheMemoryBack() throws IOException {
        long before = mappedBytes();
        for (int i = 0; i < 64; i++) {
            try (OffHeapRows rows = new OffHeapRows(4L << 20)) { // chunks of 1 GiB
                append(rows, i);
                assertThat(mappedBytes() - before).isGreaterThanOrEqualTo(1L << 30);
            }
        }
        assertThat(mappedBytes() - before).isLessThan(1L << 30);
    }

    /** Virtual memory of this process. */
    private static long mappedBytes() throws IOException {
        String pages = Files.readString(Path.of("/proc/self/statm")).split(" ", -1)[0];
        return Long.parseLong(pages) * 4096;
    }

    @Test
    void strideBelowOne_throws() {
        assertThatThrownBy(() -> new OffHeapRows(0)).hasMessageContaining("strideBytes is 0");
    }
}
