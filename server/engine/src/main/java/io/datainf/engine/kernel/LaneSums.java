package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import java.util.Arrays;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/*
 * A lane sums float32 over at most 256 elements; then lanes are added up in float64 and in a fixed order, never by reduceLanes, whose order is not
 * defined. So a product has the same bits however many rows and columns are computed with it.
 */
/** Products under way, one SIMD register of float32 each, or two for bfloat16: one of the elements of even and one of odd position. */
final class LaneSums {

    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Double> DOUBLES = DoubleVector.SPECIES_PREFERRED;
    private static final int SPAN_REGISTERS = 256;

    private final int productCount;
    private final float[] lanes;
    private final double[] sums;
    private final double[] register = new double[DOUBLES.length()];

    LaneSums(ElementType elementType, int productCount) {
        this.productCount = productCount;
        this.lanes = new float[elementType == ElementType.BF16 ? odd(productCount) : even(productCount)];
        this.sums = new double[productCount];
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

    /** Sets all to 0. */
    void clear() {
        Arrays.fill(lanes, 0);
        Arrays.fill(sums, 0);
    }

    /** Adds the lanes to the sums and sets them to 0. */
    void addLanes() {
        for (int at = 0; at < lanes.length; at += Lanes.COUNT) {
            FloatVector.fromArray(FLOATS, lanes, at)
                    .convertShape(VectorOperators.F2D, DOUBLES, 0)
                    .add(FloatVector.fromArray(FLOATS, lanes, at).convertShape(VectorOperators.F2D, DOUBLES, 1))
                    .reinterpretAsDoubles()
                    .intoArray(register, 0);
            double even = 0;
            double odd = 0;
            for (int i = 0; i < register.length; i += 2) {
                even += register[i];
                odd += register[i + 1];
            }
            sums[at / Lanes.COUNT % productCount] += even + odd;
        }
        Arrays.fill(lanes, 0);
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
