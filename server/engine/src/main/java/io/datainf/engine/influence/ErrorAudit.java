package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.BlockVector;
import io.datainf.engine.kernel.ColumnVectors;
import io.datainf.engine.kernel.GradientKernels;
import io.datainf.engine.kernel.GradientTile;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.stream.IntStream;

/*
 * RoundingError allows for the worst data: x and g going the same way all along. Gradients seldom do, and then the estimate is tens of times the error, which asks
 * for float64 where v is unlike all samples. So where it is too great, the error of the products v . g is measured: float32 against float64, on the rows of the greatest norms, whose scores
 * err most, and on as many spread over the set. What v . g errs by, u . g = v . g - r . g errs by as well, but for r, which RoundingError deals with apart.
 */
/** Measures the errors of products on a few rows where the estimate for the worst data is too great. */
final class ErrorAudit {

    private static final int LARGE_ROWS = 8;
    private static final int SPREAD_ROWS = 8;

    private final ScanContext context;
    private final GradientKernels exact;
    private final InverseHvp hvp;
    private final ColumnGroup columns;
    private final ColumnSource validation;

    /**
     * Prepares an audit.
     *
     * @param context that of a scan in float32
     * @param exact kernels of float64
     */
    ErrorAudit(
            ScanContext context, GradientKernels exact, InverseHvp hvp, ColumnGroup columns, ColumnSource validation) {
        this.context = context;
        this.exact = exact;
        this.hvp = hvp;
        this.columns = columns;
        this.validation = validation;
    }

    /** Corrects the estimate of columns whose relative error is estimated to be greater than {@code auditAbove}. */
    void run(ScoreScan scan, double auditAbove) {
        int[] doubtful = IntStream.range(0, columns.columnCount())
                .filter(j -> scan.relativeError(j) > auditAbove && Double.isFinite(scan.relativeError(j)))
                .toArray();
        if (doubtful.length == 0) {
            return;
        }
        int[] points = Arrays.stream(doubtful)
                .map(j -> j % columns.points().length)
                .distinct()
                .toArray();
        int[] rows = rows(context.samples());
        try (FetchedRows fetched = new FetchedRows(context.samples(), rows)) {
            context.pool().forEach(context.plan().ranges().size(), context.work(), 0, r -> {
                double[] errors = measure(context.plan().ranges().get(r), points, rows, fetched);
                lower(context.plan().ranges().get(r), points, doubtful, errors);
            });
        }
        scan.estimateErrors(doubtful);
    }

    /** Rows of the greatest norms, over all blocks, and rows spread evenly. */
    private static int[] rows(SampleSet samples) {
        int[] live = samples.liveOrdinals();
        double[] sums = new double[samples.rowCount()];
        for (int k : live) {
            for (int l = 0; l < samples.layout().blockCount(); l++) {
                double total = samples.statistics().squaredNormSums()[l];
                sums[k] += total == 0 ? 0 : samples.squaredNorms().get(k, l) / total;
            }
        }
        Set<Integer> rows = new LinkedHashSet<>();
        Arrays.stream(live)
                .boxed()
                .sorted(Comparator.comparingDouble(k -> -sums[k]))
                .limit(LARGE_ROWS)
                .forEach(rows::add);
        for (int i = 0; i < SPREAD_ROWS; i++) {
            rows.add(live[(int) ((long) i * live.length / SPREAD_ROWS)]);
        }
        return rows.stream().mapToInt(Integer::intValue).toArray();
    }

    /** Root mean square of the errors of v . g, over |g|, [blocks, points]. */
    private double[] measure(BlockRange range, int[] points, int[] rows, FetchedRows fetched) {
        double[] squares = new double[range.blockCount() * points.length];
        int[] counts = new int[range.blockCount()];
        try (Arena arena = Arena.ofConfined()) {
            ColumnVectors rounded = context.newVectors(range, points.length, arena);
            ColumnVectors full =
                    exact.newVectors(range, context.samples().gradients().elementType(), points.length, arena);
            double[] factors = load(range, points, rounded, full, arena);
            double[] dots = new double[squares.length];
            double[] exactDots = new double[squares.length];
            for (int i = 0; i < rows.length; i++) {
                int row = rows[i];
                context.work().check();
                GradientTile tile = fetched.get(i).tile(range, row, 1);
                context.kernels().dots(tile, rounded, dots);
                exact.dots(tile, full, exactDots);
                for (int b = 0; b < range.blockCount(); b++) {
                    double q = context.samples().squaredNorms().get(row, range.firstBlock() + b);
                    counts[b] += q > 0 ? 1 : 0;
                    for (int at = b * points.length; q > 0 && at < (b + 1) * points.length; at++) {
                        double error = factors[at] * (dots[at] - exactDots[at]);
                        squares[at] += error / q * error;
                    }
                }
            }
        }
        for (int at = 0; at < squares.length; at++) {
            int count = counts[at / points.length];
            squares[at] = count == 0 ? Double.POSITIVE_INFINITY : Math.sqrt(squares[at] / count);
        }
        return squares;
    }

    /** Loads v, scaled by powers of two as the passes do, into columns of both precisions. Returns what undoes the scaling, [blocks, points]. */
    private double[] load(BlockRange range, int[] points, ColumnVectors rounded, ColumnVectors full, Arena arena) {
        double[] factors = new double[range.blockCount() * points.length];
        BlockVector v = new BlockVector(ScanContext.widest(range), arena);
        for (int i = 0; i < points.length; i++) {
            for (int b = 0; b < range.blockCount(); b++) {
                int exponent = InverseHvp.exponent(validation.load(range, b, points[i], v));
                rounded.set(i, b, Math.scalb(1.0, -exponent), v);
                full.set(i, b, Math.scalb(1.0, -exponent), v);
                factors[b * points.length + i] = Math.scalb(1.0, exponent);
            }
        }
        return factors;
    }

    /** Takes the errors measured, once for s_i = v . g_i and once for u . g_k, in place of the estimates. */
    private void lower(BlockRange range, int[] points, int[] doubtful, double[] errors) {
        double unit =
                RoundingError.MEASURED_SPREAD * Math.sqrt(2) / context.kernels().relativeError();
        for (int b = 0; b < range.blockCount(); b++) {
            for (int j : doubtful) {
                for (int i = 0; i < points.length; i++) {
                    if (points[i] == j % columns.points().length) {
                        hvp.lowerProductDeviation(range.firstBlock() + b, j, unit * errors[b * points.length + i]);
                    }
                }
            }
        }
    }
}
