package io.datainf.engine.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class OrdinalIndexTest {

    @Test
    void find_afterRandomPuts_agreesWithAMap() {
        long seed = System.nanoTime();
        SplittableRandom random = new SplittableRandom(seed);
        long[] ids = new long[20_000];
        OrdinalIndex index = new OrdinalIndex(ordinal -> ids[ordinal]);
        Map<Long, Integer> expected = new HashMap<>();
        for (int ordinal = 0; ordinal < ids.length; ordinal++) {
            // Few distinct ids, many that share low or high bits, and the extremes.
            long id = switch (random.nextInt(4)) {
                case 0 -> random.nextLong(1000);
                case 1 -> random.nextLong(1000) << 48;
                case 2 -> random.nextBoolean() ? Long.MIN_VALUE : Long.MAX_VALUE;
                default -> random.nextLong();
            };
            ids[ordinal] = id;
            assertThat(index.find(id)).as("seed %d", seed).isEqualTo(expected.getOrDefault(id, -1));
            index.put(id, ordinal);
            expected.put(id, ordinal);
        }
        expected.forEach(
                (id, ordinal) -> assertThat(index.find(id)).as("seed %d", seed).isEqualTo(ordinal));
        assertThat(index.find(123_456_789_012L)).as("seed %d", seed).isEqualTo(-1);
    }

    @Test
    void clear_forgetsEverything() {
        OrdinalIndex index = new OrdinalIndex(ordinal -> ordinal * 10L);
        for (int ordinal = 0; ordinal < 1000; ordinal++) {
            index.put(ordinal * 10L, ordinal);
        }
        index.clear();
        assertThat(index.find(10)).isEqualTo(-1);
        index.put(20, 2);
        assertThat(index.find(20)).isEqualTo(2);
    }
}
