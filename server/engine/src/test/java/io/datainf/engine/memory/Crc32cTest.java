package io.datainf.engine.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Crc32cTest {

    private final Random random = new Random(7);

    @Test
    void combine_ofTwoPieces_isChecksumOfBothTogether() {
        try (Arena arena = Arena.ofConfined()) {
            for (int length : new int[] {0, 1, 2, 7, 8, 63, 64, 65, 4096, 70_001}) {
                MemorySegment bytes = random(arena, length + 13);
                Crc32c crc = new Crc32c();
                for (int cut : new int[] {0, 1, length / 2, length, length + 13}) {
                    int first = crc.of(bytes, 0, cut);
                    int second = crc.of(bytes, cut, bytes.byteSize() - cut);

                    assertThat(Crc32c.combine(first, second, Crc32c.shift(bytes.byteSize() - cut)))
                            .isEqualTo(crc.of(bytes, 0, bytes.byteSize()));
                }
            }
        }
    }

    @Test
    void update_ofPieces_isChecksumOfThemAll() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = random(arena, 5_000);
            Crc32c crc = new Crc32c();
            int whole = crc.of(bytes, 100, 4_000);

            crc.over(bytes);
            crc.begin();
            crc.update(100, 1);
            crc.update(101, 3_000);
            crc.update(3_101, 999);

            assertThat(crc.value()).isEqualTo(whole);
        }
    }

    private MemorySegment random(Arena arena, int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return arena.allocate(length).copyFrom(MemorySegment.ofArray(bytes));
    }
}
