package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import java.util.stream.IntStream;

/**
 * Validation gradients v of some points of a request.
 *
 * @param points validation point of each column
 */
@SuppressWarnings("ArrayRecordComponent") // not changed
record ValidationColumns(InfluenceRequest request, int[] points) implements ColumnSource {

    /** All points of a request. */
    static ValidationColumns all(InfluenceRequest request) {
        return new ValidationColumns(
                request, IntStream.range(0, request.validationCount()).toArray());
    }

    /** {@inheritDoc} Columns beyond the points begin again with the first. */
    @Override
    public double load(BlockRange range, int block, int column, BlockVector target) {
        int point = points[column % points.length];
        long first = (long) point * range.layout().dimension() + range.rowOffset() + range.offset(block);
        target.load(request.validationGradients(), first, range.width(block));
        double norm = target.norm();
        if (!Double.isFinite(norm)) {
            String name =
                    range.layout().blocks().get(range.firstBlock() + block).name();
            throw new IllegalArgumentException(
                    "validation gradient %d has an element that is not finite in block '%s'".formatted(point, name));
        }
        return norm;
    }
}
