package io.datainf.engine.influence;

import io.datainf.engine.memory.BlockLayout;

/** How lambda_l, the value added to the diagonal of block l of the Hessian, is found. */
public sealed interface Damping {

    /**
     * Returns lambda_l for each block, [L]; 0 for a block whose gradients are all zero, which is skipped.
     *
     * @param layout the blocks
     * @param statistics n and the sums of q; without samples every block is one to skip
     */
    double[] lambda(BlockLayout layout, BlockStatistics statistics);

    /**
     * lambda_l = scale / (n d_l) sum_i q_{i,l}, the paper's.
     *
     * @param scale c; finite and greater than 0
     */
    record Scaled(double scale) implements Damping {

        public Scaled {
            requirePositive("damping scale", scale);
        }

        @Override
        public double[] lambda(BlockLayout layout, BlockStatistics statistics) {
            double[] lambda = new double[layout.blockCount()];
            for (int l = 0; l < lambda.length; l++) {
                double sum = statistics.squaredNormSums()[l];
                double elementCount = (double) statistics.sampleCount() * layout.width(l);
                lambda[l] = sum == 0 ? 0 : scale / elementCount * sum;
            }
            return lambda;
        }
    }

    /**
     * The same value for every block, or one a block. A block whose gradients are all zero is skipped all the same.
     *
     * @param values one value, or [L]; finite and greater than 0
     */
    @SuppressWarnings("ArrayRecordComponent") // not shared
    record Fixed(double[] values) implements Damping {

        public Fixed {
            for (double value : values) {
                requirePositive("damping value", value);
            }
        }

        @Override
        public double[] lambda(BlockLayout layout, BlockStatistics statistics) {
            if (values.length != 1 && values.length != layout.blockCount()) {
                throw new IllegalArgumentException("damping has %d values: expected 1 or %d, one a block"
                        .formatted(values.length, layout.blockCount()));
            }
            double[] lambda = new double[layout.blockCount()];
            for (int l = 0; l < lambda.length; l++) {
                lambda[l] = statistics.squaredNormSums()[l] == 0 ? 0 : values[values.length == 1 ? 0 : l];
            }
            return lambda;
        }
    }

    private static void requirePositive(String name, double value) {
        if (!(value > 0) || Double.isInfinite(value)) {
            throw new IllegalArgumentException(
                    "%s is %s: expected a finite number greater than 0".formatted(name, value));
        }
    }
}
