package io.datainf.loadtests.query;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

final class ClosedLoopTest {

    @Test
    void meanBatchWidth_isOverBatches() {
        // One batch of 3 and one of 1.
        List<TimedQuery> queries = List.of(of(3), of(3), of(3), of(1));

        assertThat(new ClosedLoop(queries, 1).meanBatchWidth()).isCloseTo(2, within(1e-12));
    }

    private static TimedQuery of(int batchWidth) {
        return new TimedQuery(0, 1, 1, batchWidth);
    }
}
