package io.datainf.engine.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import java.util.List;
import org.junit.jupiter.api.Test;

class BlockRangeTest {

    private static final BlockLayout LAYOUT =
            BlockLayout.of(List.of(new Block("a", 2, 3), new Block("b", 1, 5), new Block("c", 7, 1)));

    @Test
    void range_countsItsBlocksFromZero() {
        BlockRange range = new BlockRange(LAYOUT, 1, 3);
        assertThat(range.blockCount()).isEqualTo(2);
        assertThat(range.rowOffset()).isEqualTo(6);
        assertThat(range.elementCount()).isEqualTo(12);
        assertThat(range.offset(0)).isZero();
        assertThat(range.offset(1)).isEqualTo(5);
        assertThat(range.width(1)).isEqualTo(7);
    }

    @Test
    void range_emptyOrOutsideLayout_throws() {
        assertThatThrownBy(() -> new BlockRange(LAYOUT, 1, 1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new BlockRange(LAYOUT, 2, 4)).isInstanceOf(IndexOutOfBoundsException.class);
    }
}
