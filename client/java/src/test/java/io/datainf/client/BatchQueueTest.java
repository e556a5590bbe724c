package io.datainf.client;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.FloatBuffer;
import java.util.Objects;
import org.junit.jupiter.api.Test;

final class BatchQueueTest {
    private static final int ROW_BYTES = 8;
    /** Two samples a batch. */
    private static final BatchShape SHAPE = new BatchShape(ROW_BYTES, Float.BYTES, 1_000, 2, false);

    private final BatchQueue queue = new BatchQueue(SHAPE);

    private static SampleRows sample(long id) {
        return SampleRows.of(new long[] {id}, new long[0], FloatBuffer.wrap(new float[] {id, -id}), 2);
    }

    private PendingBatch add(long id) {
        Claim claim = queue.claim(sample(id), 0);
        claim.batch().published();
        return claim.batch();
    }

    private PendingBatch next() {
        return Objects.requireNonNull(queue.next(Long.MAX_VALUE));
    }

    private void ack(long sequence) {
        queue.recycle(Objects.requireNonNull(queue.removeAcked(sequence)));
    }

    @Test
    void claim_acked_usesTheMemoryAgain() {
        PendingBatch first = add(1);
        assertThat(next()).isSameAs(first);
        assertThat(queue.next(Long.MAX_VALUE)).isNull();
        ack(1);
        assertThat(add(2)).isSameAs(first);
        assertThat(first.rows()).isEqualTo(1);
    }

    @Test
    void claim_ackedWhileInTheSendersHands_takesOtherMemory() {
        PendingBatch first = add(1);
        next();
        ack(1);
        assertThat(add(2)).isNotSameAs(first);
    }

    @Test
    void hasRoom_countsMemoryNotRows() {
        long oneBatch = SHAPE.bufferBytes();
        assertThat(queue.hasRoom(1, false, 1)).isTrue();
        add(1);
        assertThat(queue.hasRoom(2, false, oneBatch)).isTrue();
        assertThat(queue.hasRoom(1, false, oneBatch)).isFalse();
        assertThat(queue.hasRoom(2, true, oneBatch)).isFalse();
        assertThat(queue.hasRoom(1, false, 2 * oneBatch)).isTrue();
        add(2);
        assertThat(queue.hasRoom(3, false, oneBatch)).isFalse();
        next();
        ack(1);
        assertThat(queue.hasRoom(3, false, oneBatch)).isTrue();
    }

    @Test
    void next_unpublishedRows_waitForThem() {
        Claim early = queue.claim(sample(1), 0);
        Claim late = queue.claim(sample(2), 0);
        late.batch().published();
        assertThat(queue.next(Long.MAX_VALUE)).isNull();
        early.batch().published();
        assertThat(next().rows()).isEqualTo(2);
    }

    @Test
    void next_window_isKeptButForASingleBatch() {
        add(1);
        add(2);
        add(3);
        add(4);
        assertThat(queue.next(1)).isNotNull();
        assertThat(queue.next(3 * ROW_BYTES)).isNull();
        assertThat(queue.next(4 * ROW_BYTES)).isNotNull();
    }

    @Test
    void resend_keepsTheOrder() {
        add(1);
        add(2);
        add(3);
        next();
        queue.seal();
        next();
        queue.resend();
        assertThat(queue.removeRecovered(1)).isNotNull();
        assertThat(next().sequence()).isEqualTo(2);
        assertThat(queue.isAcked(1)).isTrue();
        assertThat(queue.isAcked(2)).isFalse();
    }
}
