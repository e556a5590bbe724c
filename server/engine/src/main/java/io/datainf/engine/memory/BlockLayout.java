package io.datainf.engine.memory;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/** The blocks of a sample's gradient, in order: a sample is one row of {@link #dimension()} elements. Immutable. */
public final class BlockLayout {

    /** Most blocks a layout may have. */
    public static final int MAX_BLOCKS = 65_536;

    private final List<Block> blocks;
    private final int[] offsets;
    private final String hash;

    private BlockLayout(List<Block> blocks, int[] offsets) {
        this.blocks = blocks;
        this.offsets = offsets;
        this.hash = hashOf(blocks);
    }

    /**
     * Returns the layout of these blocks.
     *
     * @throws IllegalArgumentException if there are none or too many, two share a name, or a row would have more
     *     than 2^31 - 1 elements
     */
    public static BlockLayout of(List<Block> blocks) {
        if (blocks.isEmpty() || blocks.size() > MAX_BLOCKS) {
            throw new IllegalArgumentException(
                    "layout has %d blocks: expected 1 to %d".formatted(blocks.size(), MAX_BLOCKS));
        }
        Set<String> names = new HashSet<>();
        int[] offsets = new int[blocks.size() + 1];
        for (int l = 0; l < blocks.size(); l++) {
            Block block = blocks.get(l);
            if (!names.add(block.name())) {
                throw new IllegalArgumentException("layout names block '%s' twice".formatted(block.name()));
            }
            long end = (long) offsets[l] + block.dimension();
            if (end > Integer.MAX_VALUE) {
                throw new IllegalArgumentException(
                        "layout has more than %d elements a sample".formatted(Integer.MAX_VALUE));
            }
            offsets[l + 1] = (int) end;
        }
        return new BlockLayout(List.copyOf(blocks), offsets);
    }

    /** The blocks, l = 0..L-1. */
    public List<Block> blocks() {
        return blocks;
    }

    /** Number of blocks, L. */
    public int blockCount() {
        return blocks.size();
    }

    /** Elements of one sample, D. */
    public int dimension() {
        return offsets[blocks.size()];
    }

    /** Position in the row of the first element of block {@code l}, in elements. */
    public int offset(int l) {
        return offsets[l];
    }

    /** Elements of block {@code l}, d_l. */
    public int width(int l) {
        return offsets[l + 1] - offsets[l];
    }

    /** Digest of names and shapes in order, 64 hexadecimal digits. Equal layouts have equal hashes, on every machine. */
    public String hash() {
        return hash;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof BlockLayout layout && blocks.equals(layout.blocks);
    }

    @Override
    public int hashCode() {
        return blocks.hashCode();
    }

    @Override
    public String toString() {
        return "BlockLayout[%d blocks, dimension %d]".formatted(blockCount(), dimension());
    }

    private static String hashOf(List<Block> blocks) {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
        for (Block block : blocks) {
            byte[] name = block.name().getBytes(StandardCharsets.UTF_8);
            digest.update(ByteBuffer.allocate(3 * Integer.BYTES)
                    .putInt(name.length)
                    .putInt(block.rows())
                    .putInt(block.columns())
                    .array());
            digest.update(name);
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
