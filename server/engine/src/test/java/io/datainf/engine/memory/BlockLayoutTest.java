package io.datainf.engine.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BlockLayoutTest {

    private static final BlockLayout LAYOUT =
            BlockLayout.of(List.of(new Block("a", 2, 3), new Block("b", 1, 1), new Block("c", 4, 2)));

    @Test
    void layout_placesBlocksInOrder() {
        assertThat(LAYOUT.blockCount()).isEqualTo(3);
        assertThat(LAYOUT.dimension()).isEqualTo(15);
        assertThat(IntStream.range(0, 3).map(LAYOUT::offset)).containsExactly(0, 6, 7);
        assertThat(IntStream.range(0, 3).map(LAYOUT::width)).containsExactly(6, 1, 8);
        assertThat(LAYOUT.blocks().get(2)).isEqualTo(new Block("c", 4, 2));
    }

    @Test
    void hash_isStableAndTellsLayoutsApart() {
        BlockLayout equal = BlockLayout.of(List.copyOf(LAYOUT.blocks()));
        assertThat(equal).isEqualTo(LAYOUT).hasSameHashCodeAs(LAYOUT);
        assertThat(equal.hash()).isEqualTo(LAYOUT.hash()).hasSize(64);
        // Computed once with Python's hashlib over (length, rows, columns, name) of each block, big-endian.
        assertThat(BlockLayout.of(List.of(new Block("a", 2, 3))).hash())
                .isEqualTo("04f089b89dda720033d31c2dcf020f2f8da72a582ea8427ede00b4a576ec4c1a");
        assertThat(List.of(
                        List.of(new Block("a", 3, 2), new Block("b", 1, 1), new Block("c", 4, 2)),
                        List.of(new Block("b", 1, 1), new Block("a", 2, 3), new Block("c", 4, 2)),
                        List.of(new Block("ab", 2, 3), new Block("b", 1, 1), new Block("c", 4, 2)),
                        List.of(new Block("a", 2, 3), new Block("b", 1, 1))))
                .noneMatch(blocks -> BlockLayout.of(blocks).hash().equals(LAYOUT.hash()))
                .noneMatch(blocks -> BlockLayout.of(blocks).equals(LAYOUT));
    }

    @Test
    void layout_withoutBlocksOrWithTooMany_throws() {
        assertThatThrownBy(() -> BlockLayout.of(List.of())).hasMessageContaining("layout has 0 blocks");
        assertThatThrownBy(() -> BlockLayout.of(Collections.nCopies(65_537, new Block("a", 1, 1))))
                .hasMessageContaining("layout has 65537 blocks: expected 1 to 65536");
    }

    @Test
    void layout_withANameTwice_throws() {
        assertThatThrownBy(() -> BlockLayout.of(List.of(new Block("a", 1, 1), new Block("a", 2, 2))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'a' twice");
    }

    @Test
    void layout_ofTooManyElements_throws() {
        assertThatThrownBy(() -> BlockLayout.of(List.of(new Block("a", 1, Integer.MAX_VALUE), new Block("b", 1, 1))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("more than 2147483647 elements");
    }

    @Test
    void block_ofBadNameOrShape_throws() {
        assertThatThrownBy(() -> new Block("", 1, 1)).hasMessageContaining("name is empty");
        assertThatThrownBy(() -> new Block("a", 0, 1)).hasMessageContaining("shape [0, 1]");
        assertThatThrownBy(() -> new Block("a", 1, -1)).hasMessageContaining("shape [1, -1]");
        assertThatThrownBy(() -> new Block("a", 65_536, 65_536)).hasMessageContaining("4294967296 elements");
    }
}
