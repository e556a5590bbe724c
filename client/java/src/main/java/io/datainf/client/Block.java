package io.datainf.client;

import static java.util.Objects.requireNonNull;

/**
 * One LoRA weight matrix. Its gradient takes {@code rows * columns} consecutive elements of a sample, row-major.
 *
 * @param name PEFT's parameter name without the adapter name, unique within a run
 * @param rows the LoRA rank, also for lora_B, whose gradient is transposed to {@code [rank, width]}
 * @param columns the width
 */
public record Block(String name, int rows, int columns) {

    public Block {
        requireNonNull(name, "name");
        if (name.isEmpty()) {
            throw new IllegalArgumentException("a block's name is empty: expected PEFT's parameter name");
        }
        if (rows < 1 || columns < 1 || (long) rows * columns > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("block " + name + " is " + rows + " x " + columns
                    + ": expected at least 1 x 1 and at most 2^31 - 1 elements");
        }
    }

    /** Elements of the block, d_l. */
    public int dimension() {
        return rows * columns;
    }
}
