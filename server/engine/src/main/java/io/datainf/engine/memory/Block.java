package io.datainf.engine.memory;

/**
 * One LoRA weight matrix, treated as its own diagonal block of the Hessian. Its gradient is a run of
 * {@code rows * columns} elements of a sample, row-major.
 *
 * @param name PEFT's parameter name without the adapter name; not empty
 * @param rows the LoRA rank (also for lora_B, whose gradient is transposed to [rank, width]); at least 1
 * @param columns the width; at least 1
 */
public record Block(String name, int rows, int columns) {

    public Block {
        if (name.isEmpty()) {
            throw new IllegalArgumentException("name is empty: a block needs the name of its parameter");
        }
        if (rows < 1 || columns < 1) {
            throw new IllegalArgumentException(
                    "block '%s' has shape [%d, %d]: both must be at least 1".formatted(name, rows, columns));
        }
        if ((long) rows * columns > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("block '%s' has %d elements: at most %d are supported"
                    .formatted(name, (long) rows * columns, Integer.MAX_VALUE));
        }
    }

    /** Elements of the block, d_l. */
    public int dimension() {
        return rows * columns;
    }
}
