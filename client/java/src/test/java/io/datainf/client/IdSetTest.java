package io.datainf.client;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

final class IdSetTest {

    @Test
    void add_behavesLikeASet() {
        Random random = new Random(5);
        IdSet ids = new IdSet();
        for (int round = 0; round < 50; round++) {
            Set<Long> expected = new HashSet<>();
            for (int i = 0; i < 40 * round; i++) {
                // Few different values, far apart: repeats and collisions.
                long id = random.nextInt(60 * (round + 1)) * (1L << (16 * random.nextInt(4)));
                assertThat(ids.contains(id)).isEqualTo(expected.contains(id));
                assertThat(ids.add(id)).isEqualTo(expected.add(id));
            }
            ids.clear();
            expected.forEach(id -> assertThat(ids.contains(id)).isFalse());
        }
    }
}
