package io.datainf.engine.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class RowMemoryTest {

    private static final int STRIDE = 8192;

    private final AtomicLong limit = new AtomicLong(1 << 20);
    private final RowMemory memory = new RowMemory(limit::get);

    /** Returns where the row lay. */
    private long writeRow() {
        try (OffHeapRows rows = new OffHeapRows(STRIDE, memory)) {
            rows.nextRow().fill((byte) 1);
            rows.publishRow();
            return rows.row(0).address();
        }
    }

    @Test
    void rowsThatWereLetGo_areUsedAgainAndReadAsZeros() {
        long address = writeRow();
        assertThat(memory.spareBytes()).isEqualTo(STRIDE);
        try (OffHeapRows rows = new OffHeapRows(STRIDE, memory)) {
            assertThat(rows.nextRow().address()).isEqualTo(address);
            assertThat(rows.nextRow().toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
            assertThat(memory.spareBytes()).isZero();
        }
    }

    @Test
    void rowsToCome_areClearedToo() {
        try (OffHeapRows rows = new OffHeapRows(STRIDE, memory)) {
            Objects.requireNonNull(rows.unpublishedRows(2, 1)).fill((byte) 1);
        }
        assertThat(memory.spareBytes()).isEqualTo(3 * STRIDE);
        try (OffHeapRows rows = new OffHeapRows(STRIDE, memory)) {
            for (int row = 0; row < 3; row++) {
                assertThat(rows.nextRow().toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
                rows.publishRow();
            }
        }
    }

    @Test
    void chunksOfAnotherLength_areNotUsed() {
        long unused = writeRow();
        try (OffHeapRows rows = new OffHeapRows(128 * STRIDE, memory)) {
            assertThat(rows.nextRow().address()).isNotEqualTo(unused);
        }
        assertThat(memory.spareBytes()).isEqualTo(STRIDE);
    }

    @Test
    void moreThanTheLimit_isNotKept() {
        limit.set(STRIDE - 1);
        writeRow();
        assertThat(memory.spareBytes()).isZero();
    }

    @Test
    void whatALowerLimitLeavesNoRoomFor_isGivenBack_theOldestFirst() {
        try (OffHeapRows shorter = new OffHeapRows(STRIDE, memory);
                OffHeapRows longer = new OffHeapRows(2 * STRIDE, memory)) {
            List.of(shorter, longer).forEach(rows -> rows.nextRow().fill((byte) 1));
        }
        assertThat(memory.spareBytes()).isEqualTo(3 * STRIDE);
        limit.set(STRIDE);
        memory.shrinkToLimit();
        assertThat(memory.spareBytes()).isEqualTo(STRIDE);
    }

    @Test
    void whatNobodyWants_isGivenBack() {
        writeRow();
        memory.giveBack(Duration.ofDays(1));
        assertThat(memory.spareBytes()).isEqualTo(STRIDE);
        memory.giveBack(Duration.ZERO);
        assertThat(memory.spareBytes()).isZero();
    }

    @Test
    void rowsWithDiscardedPages_areNotKept() {
        try (OffHeapRows rows = new OffHeapRows(STRIDE, memory)) {
            rows.nextRow().fill((byte) 1);
            rows.publishRow();
            rows.discard(0, 1);
        }
        assertThat(memory.spareBytes()).isZero();
    }
}
