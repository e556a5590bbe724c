package io.datainf.engine.golden;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;

/**
 * One golden case: gradients as flat rows [D], and the expected arrays by name.
 *
 * @param name name of the file without its ending
 * @param layout the blocks
 * @param train gradients of the samples, [n, D]
 * @param validation gradients of the validation points, [m, D]
 * @param arrays all arrays of the file
 */
@SuppressWarnings("ArrayRecordComponent") // test data, not changed
public record GoldenCase(String name, BlockLayout layout, float[][] train, float[][] validation, Npz arrays) {

    /** Names of all cases. */
    public static final List<String> NAMES = List.of("tiny-handmade", "heavy-tailed", "lora-r4-minilm");

    private static final int LONGEST_PREFIX = 1000;

    /** Reads a case from the test resources. */
    public static GoldenCase read(String name) throws IOException {
        try (InputStream input = GoldenCase.class.getResourceAsStream("/golden/" + name + ".npz")) {
            if (input == null) {
                throw new IOException("no golden case '%s'".formatted(name));
            }
            Npz arrays = Npz.read(input);
            BlockLayout layout = layout(arrays);
            return new GoldenCase(name, layout, rows(arrays, layout, "train"), rows(arrays, layout, "val"), arrays);
        }
    }

    /** Lengths p for which the case has results with the first p samples only. */
    public List<Integer> prefixes() {
        List<Integer> prefixes = new ArrayList<>();
        for (int p = 1; p < LONGEST_PREFIX; p++) {
            if (arrays.has("prefix%d.lambda".formatted(p))) {
                prefixes.add(p);
            }
        }
        return prefixes;
    }

    private static BlockLayout layout(Npz arrays) {
        String[] names = arrays.strings("block_names");
        long[] shapes = arrays.longs("block_shapes");
        List<Block> blocks = new ArrayList<>();
        for (int l = 0; l < names.length; l++) {
            blocks.add(new Block(names[l], Math.toIntExact(shapes[2 * l]), Math.toIntExact(shapes[2 * l + 1])));
        }
        return BlockLayout.of(blocks);
    }

    private static float[][] rows(Npz arrays, BlockLayout layout, String prefix) {
        float[][] rows = new float[arrays.shape(prefix + ".0")[0]][layout.dimension()];
        for (int l = 0; l < layout.blockCount(); l++) {
            float[] block = arrays.floats("%s.%d".formatted(prefix, l));
            for (int i = 0; i < rows.length; i++) {
                System.arraycopy(block, i * layout.width(l), rows[i], layout.offset(l), layout.width(l));
            }
        }
        return rows;
    }
}
