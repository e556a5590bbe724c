package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.GradientTile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/*
 * score_k = sum_l - h_l . g_{k,l}: terms are divided by lambda_l and added up over blocks, in order, in float64. Errors: RoundingError.
 */
/** The second pass: adds scores of all rows to what the tables hold, with an estimate of their rounding error. */
final class ScoreScan {

    private final ScanContext context;
    private final SampleSet samples;
    private final ScanPlan plan;
    private final InverseHvp hvp;
    private final ColumnGroup columns;
    private final double[] greatestScores; // absolute, [columns]; guarded by this
    private final double[] greatestErrors; // squared, [columns]; guarded by this

    /**
     * Prepares the pass.
     *
     * @param hvp products of the columns over the blocks of the plan
     * @param columns whose tables receive the scores
     */
    ScoreScan(ScanContext context, InverseHvp hvp, ColumnGroup columns) {
        this.context = context;
        this.samples = context.samples();
        this.plan = context.plan();
        this.hvp = hvp;
        this.columns = columns;
        this.greatestScores = new double[columns.columnCount()];
        this.greatestErrors = new double[columns.columnCount()];
    }

    /** Runs the pass. */
    void run() {
        int most = plan.pieceRows();
        context.forEachStretch((rows, share) -> {
            double cost = share * cost(context, columns);
            context.pool().forEach(rows.pieceCount(most), context.work(), cost, i -> {
                scorePiece(rows, rows.pieceStart(i, most), rows.pieceRows(i, most));
            });
        });
        context.scanned(plan.ranges());
    }

    /** Multiplications of the pass. */
    static double cost(ScanContext context, ColumnGroup columns) {
        return context.cost(columns.columnCount());
    }

    /** Greatest absolute score of a column over the blocks of the plan; NaN if one is not a number. */
    synchronized double greatestScore(int column) {
        return greatestScores[column];
    }

    /** Estimated rounding error of any score of a column. */
    synchronized double error(int column) {
        return context.kernels().relativeError() * Math.sqrt(greatestErrors[column]);
    }

    /**
     * Estimated rounding error of any score of a column relative to its greatest absolute score. Infinite if all scores are 0 but need
     * not be; NaN if a score is not a number.
     */
    synchronized double relativeError(int column) {
        double error = error(column);
        return error == 0 ? 0 : error / greatestScores[column];
    }

    /** Estimates errors anew from what {@code hvp} knows by now, for some columns. O(n L). */
    void estimateErrors(int[] which) {
        synchronized (this) {
            for (int j : which) {
                greatestErrors[j] = 0;
            }
        }
        int most = plan.pieceRows();
        context.pool().forEach(Math.ceilDiv(samples.rowCount(), most), context.work(), 0, piece -> {
            int firstRow = piece * most;
            int rows = Math.min(most, samples.rowCount() - firstRow);
            double[] errors = new double[columns.columnCount() * rows];
            double[] squaredNorms = new double[rows];
            for (BlockRange range : plan.ranges()) {
                for (int l = range.firstBlock(); l < range.endBlock(); l++) {
                    fillNorms(firstRow, l, squaredNorms);
                    for (int j : which) {
                        double squaredDeviation = hvp.squaredDeviation(l, j);
                        for (int k = 0; k < rows; k++) {
                            errors[j * rows + k] += squaredDeviation * Math.max(squaredNorms[k], 0);
                        }
                    }
                }
            }
            noteGreatest(new double[errors.length], errors, rows);
        });
    }

    private void scorePiece(RowStretch stretch, int firstRow, int rows) {
        double[] scores = new double[columns.columnCount() * rows];
        double[] errors = new double[columns.columnCount() * rows];
        double[] squaredNorms = new double[rows];
        double[] dots = new double[0];
        for (int r = 0; r < plan.ranges().size(); r++) {
            context.work().check();
            BlockRange range = plan.ranges().get(r);
            GradientTile tile = stretch.tile(range, firstRow, rows);
            int length = range.blockCount() * scores.length;
            dots = dots.length < length ? new double[length] : dots;
            context.kernels().dots(tile, hvp.vectors(r), dots);
            for (int b = 0; b < range.blockCount(); b++) {
                fillNorms(firstRow, range.firstBlock() + b, squaredNorms);
                addBlock(range.firstBlock() + b, firstRow, dots, b * scores.length, squaredNorms, scores, errors);
            }
        }
        for (int j = 0; j < columns.columnCount(); j++) {
            columns.damping(j).table().addScores(columns.point(j), firstRow, scores, j * rows, rows);
        }
        noteGreatest(scores, errors, rows);
    }

    /** q_{k,l} of consecutive rows of a tile; -1 for rows that count for nothing. */
    private void fillNorms(int first, int block, double[] squaredNorms) {
        MemorySegment norms = samples.squaredNorms().rows(first, squaredNorms.length);
        int blockCount = samples.squaredNorms().blockCount();
        for (int k = 0; k < squaredNorms.length; k++) {
            double q = norms.getAtIndex(ValueLayout.JAVA_DOUBLE, (long) k * blockCount + block);
            squaredNorms[k] = samples.live(first + k) ? q : -1;
        }
    }

    private void addBlock(
            int block,
            int firstRow,
            double[] dots,
            int firstDot,
            double[] squaredNorms,
            double[] scores,
            double[] errors) {
        int rows = squaredNorms.length;
        for (int j = 0; j < columns.columnCount(); j++) {
            ScoreTable table = columns.damping(j).table();
            double squaredDeviation = hvp.squaredDeviation(block, j);
            for (int k = 0; k < rows; k++) {
                if (squaredNorms[k] >= 0) {
                    int at = j * rows + k;
                    double term = hvp.term(block, j, dots[firstDot + at]) + 0.0; // no -0
                    scores[at] += term;
                    errors[at] += squaredDeviation * squaredNorms[k];
                    if (table.perBlock()) {
                        table.setTerm(block, columns.point(j), firstRow + k, term);
                    }
                }
            }
        }
    }

    private synchronized void noteGreatest(double[] scores, double[] errors, int rows) {
        for (int at = 0; at < scores.length; at++) {
            int column = at / rows;
            greatestScores[column] = Math.max(greatestScores[column], Math.abs(scores[at]));
            greatestErrors[column] = Math.max(greatestErrors[column], errors[at]);
        }
    }
}
