package io.datainf.engine.influence;

import java.util.List;

/**
 * Validation points and dampings that are computed together. Column {@code d * points.length + j} is point j under damping d of the
 * group.
 *
 * @param points validation points of the request
 * @param dampings answers for these dampings
 */
@SuppressWarnings("ArrayRecordComponent") // not changed
record ColumnGroup(int[] points, List<DampingAnswer> dampings) {

    int columnCount() {
        return points.length * dampings.size();
    }

    int point(int column) {
        return points[column % points.length];
    }

    DampingAnswer damping(int column) {
        return dampings.get(column / points.length);
    }
}
