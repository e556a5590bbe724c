package io.datainf.loadtests.kernels;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * What kernels work on: 2.4 GB of float32.
 *
 * @param name name of the layout
 * @param layout the blocks
 * @param sampleCount rows
 */
record Workload(String name, BlockLayout layout, int sampleCount) {

    /** The paper's: 48 blocks of 4,096 elements and one of 2,048, 0.8 MB a row. */
    static Workload robertaLargeR4(boolean quick) {
        List<Block> blocks = new ArrayList<>(blocks(48, 1_024));
        blocks.add(new Block("classifier", 2, 1_024));
        return new Workload("roberta-large-r4", BlockLayout.of(blocks), quick ? 512 : 3_072);
    }

    /** 48 blocks of 32,768 elements, 6 MB a row. */
    static Workload wideBlocks(boolean quick) {
        return new Workload("48 x 32768", BlockLayout.of(blocks(48, 8_192)), quick ? 80 : 384);
    }

    private static List<Block> blocks(int count, int columns) {
        return IntStream.range(0, count)
                .mapToObj(l -> new Block("block " + l, 4, columns))
                .toList();
    }

    /** Elements of all rows. */
    double elementCount() {
        return (double) sampleCount * layout.dimension();
    }
}
