package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.GradientMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Objects;

/**
 * Stored gradients widened to float64 and laid out for {@link SymmetricTiles}: panels of 64 lanes, each [depth, 64]. Lanes are samples and the depth elements,
 * or the other way round. Panels may be packed by several threads, each by one.
 */
public final class TilePanels {

    private static final int TILE = SymmetricTiles.TILE;

    private final int panelCount;
    private final int maxDepth;
    private final MemorySegment values;
    private int depth;

    /** Allocates panels that live as long as {@code arena}. */
    public TilePanels(int panelCount, int maxDepth, Arena arena) {
        this.panelCount = panelCount;
        this.maxDepth = maxDepth;
        this.values = arena.allocate(byteCount(panelCount, maxDepth), 64);
    }

    /** Bytes that panels take. */
    public static long byteCount(int panelCount, int maxDepth) {
        return (long) panelCount * maxDepth * TILE * Double.BYTES;
    }

    /** Sets the depth of all panels, whose contents are lost. */
    public void resize(int newDepth) {
        Objects.checkFromIndexSize(0, newDepth, maxDepth);
        depth = newDepth;
    }

    /**
     * Packs a panel whose lanes are samples.
     *
     * @param ordinals rows of the matrix, [lanes of all panels]; lanes beyond its end become 0
     * @param firstElement position in a row of the first element of the depth
     */
    public void packSamples(int panel, GradientMatrix gradients, int[] ordinals, int firstElement) {
        float[] elements = new float[depth];
        for (int lane = 0; lane < TILE; lane++) {
            int at = panel * TILE + lane;
            load(gradients, at < ordinals.length ? ordinals[at] : -1, firstElement, elements, depth);
            long target = index(panel, 0) + lane;
            for (int k = 0; k < depth; k++) {
                values.setAtIndex(ValueLayout.JAVA_DOUBLE, target + (long) k * TILE, elements[k]);
            }
        }
    }

    /**
     * Packs a panel whose lanes are elements.
     *
     * @param ordinals rows of the matrix
     * @param firstOrdinal position in {@code ordinals} of the first sample of the depth
     * @param firstElement position in a row of lane 0 of panel 0
     * @param elementCount lanes of all panels; those beyond become 0
     */
    public void packElements(
            int panel, GradientMatrix gradients, int[] ordinals, int firstOrdinal, int firstElement, int elementCount) {
        float[] elements = new float[TILE];
        int count = Math.min(TILE, elementCount - panel * TILE);
        for (int k = 0; k < depth; k++) {
            load(gradients, ordinals[firstOrdinal + k], firstElement + panel * TILE, elements, count);
            long target = index(panel, k);
            for (int lane = 0; lane < TILE; lane++) {
                values.setAtIndex(ValueLayout.JAVA_DOUBLE, target + lane, elements[lane]);
            }
        }
    }

    /**
     * Adds the inner product of each lane of a panel with a vector over the depth.
     *
     * @param x [depth]
     * @param target [lanes of all panels]
     */
    public void addDots(int panel, BlockVector x, double[] target) {
        for (int k = 0; k < depth; k++) {
            double factor = x.get(k);
            long source = index(panel, k);
            for (int lane = 0; lane < TILE; lane++) {
                target[panel * TILE + lane] += factor * values.getAtIndex(ValueLayout.JAVA_DOUBLE, source + lane);
            }
        }
    }

    /**
     * Becomes the sum of all lanes, weighted, over the depth.
     *
     * @param weights [lanes of all panels]
     * @param target takes [depth] values
     */
    public void sumLanes(double[] weights, BlockVector target) {
        target.clear(depth);
        for (int panel = 0; panel < panelCount; panel++) {
            for (int k = 0; k < depth; k++) {
                long source = index(panel, k);
                double sum = target.get(k);
                for (int lane = 0; lane < TILE; lane++) {
                    sum += weights[panel * TILE + lane] * values.getAtIndex(ValueLayout.JAVA_DOUBLE, source + lane);
                }
                target.set(k, sum);
            }
        }
    }

    int depth() {
        return depth;
    }

    MemorySegment values() {
        return values;
    }

    /** Position of a panel, bytes. */
    long offsetBytes(int panel) {
        return index(panel, 0) * Double.BYTES;
    }

    private long index(int panel, int k) {
        return ((long) panel * maxDepth + k) * TILE;
    }

    private static void load(GradientMatrix gradients, int ordinal, int firstElement, float[] target, int count) {
        if (ordinal < 0) {
            Arrays.fill(target, 0);
            return;
        }
        long offset = (long) firstElement * gradients.elementType().byteCount();
        ElementConversion.toFloats(gradients.row(ordinal).asSlice(offset), gradients.elementType(), target, 0, count);
    }
}
