package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.util.Arrays;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/*
 * A lane sums float32 over at most 256 elements; then lanes are added up in float64 and in a fixed order, never by reduceLanes, whose order is not
 * defined. So a product has the same bits however many rows and columns are computed with it.
 */
/** Products under way, one SIMD register of float32 each, or two for bfloat16: one of the elements of even and one of odd position. */
final class LaneSums {

    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Double> DOUBLES = DoubleVector.SPECIES_PREFERRED;
    private static final VectorShuffle<Double> EVEN = VectorShuffle.makeUnzip(DOUBLES, 0);
    private static final VectorShuffle<Double> ODD = VectorShuffle.makeUnzip(DOUBLES, 1);
    private static final int SPAN_REGISTERS = 256;

    private final int productCount;
    private final float[] lanes;
    private final double[] sums;
    private final double[] wide; // lanes in float64, two added to one; filled up to whole registers of sums

    LaneSums(ElementType elementType, int productCount) {
        this.productCount = productCount;
        this.lanes = new float[elementType == ElementType.BF16 ? odd(productCount) : even(productCount)];
        this.sums = new double[productCount];
        int registers = Math.ceilDiv(lanes.length / Lanes.COUNT, DOUBLES.length()) * DOUBLES.length();
        this.wide = new double[registers * DOUBLES.length()];
    }

    /** Elements of a row over which lanes may sum. */
    static int spanElements(ElementType elementType) {
        return SPAN_REGISTERS * (Math.toIntExact(Lanes.REGISTER_BYTES) / elementType.byteCount());
    }

    float[] lanes() {
        return lanes;
    }

    /** Position of the lanes of a product. */
    int even(int product) {
        return product * Lanes.COUNT;
    }

    /** Position of its lanes of odd elements. */
    int odd(int product) {
        return (productCount + product) * Lanes.COUNT;
    }

    /** Sets the sums to 0, as the lanes are whenever they were added up. */
    void clear() {
        Arrays.fill(sums, 0);
    }

    /** Adds the lanes to the sums and sets them to 0. */
    void addLanes() {
        for (int at = 0; at < lanes.length; at += Lanes.COUNT) {
            FloatVector register = FloatVector.fromArray(FLOATS, lanes, at);
            ((DoubleVector) register.convertShape(VectorOperators.F2D, DOUBLES, 0))
                    .add(register.convertShape(VectorOperators.F2D, DOUBLES, 1))
                    .intoArray(wide, at / 2);
        }
        for (int length = wide.length; length > wide.length / DOUBLES.length(); length /= 2) {
            addNeighbours(length);
        }
        for (int first = 0; first < lanes.length / Lanes.COUNT; first += productCount) {
            for (int i = 0; i < productCount; i++) {
                sums[i] += wide[first + i];
            }
        }
        Arrays.fill(lanes, 0);
    }

    /** Halves the values in {@code wide}: the sum of the values 2 i and 2 i + 1 becomes value i. */
    private void addNeighbours(int length) {
        for (int at = 0; at < length; at += 2 * DOUBLES.length()) {
            DoubleVector first = DoubleVector.fromArray(DOUBLES, wide, at);
            DoubleVector second = DoubleVector.fromArray(DOUBLES, wide, at + DOUBLES.length());
            first.rearrange(EVEN, second).add(first.rearrange(ODD, second)).intoArray(wide, at / 2);
        }
    }

    /** Adds the lanes to the sums, sets them to 0, and adds all sums to {@code target}, from {@code first} on. */
    void addLanesTo(double[] target, int first) {
        addLanes();
        for (int i = 0; i < productCount; i++) {
            target[first + i] += sums[i];
        }
    }

    /** Sum of a product. */
    double get(int product) {
        return sums[product];
    }
}
