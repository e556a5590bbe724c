package io.datainf.engine.kernel;

/*
 * BLAS takes other paths, with other roundings, for other numbers of columns. So a product always has 8 or 32 of them, the rest filled with
 * 0: up to 8 columns have the same bits together and apart. One column costs as much as 8, which take as long as reading the rows.
 */
/** How columns are cut into products with rows: groups of {@value #WIDE}, and one of {@value #NARROW} for a small rest. */
final class Nd4jGroups {

    static final int NARROW = 8;
    static final int WIDE = 32;

    private Nd4jGroups() {}

    /** Columns of the group, padding included, that begins where {@code remaining} columns are left. */
    static int width(int remaining) {
        return remaining <= NARROW ? NARROW : WIDE;
    }

    /** Columns of all groups, padding included. */
    static int paddedCount(int columnCount) {
        int whole = columnCount / WIDE * WIDE;
        return whole == columnCount ? whole : whole + width(columnCount - whole);
    }
}
