package io.datainf.engine.influence;

import io.datainf.engine.kernel.BlockRange;
import io.datainf.engine.kernel.GradientKernels;
import io.datainf.engine.kernel.GradientTile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/*
 * score_k = sum_l - h_l . g_{k,l}: terms are divided by lambda_l and added up over blocks, in order, in float64.
 *
 * Error: rounding moves the term of block l by about e (|v_l| + |r_l|) |g_{k,l}| / lambda_l, e = GradientKernels.relativeError(), however much v - r and
 * h . g cancel. So err_k = e sum_l (|v_l| + |r_l|) sqrt(q_{k,l}) / lambda_l. Without a Hessian r = 0 and the divisor is 1.
 */
/** The second pass: scores of all rows, with an estimate of their rounding error. */
final class ScoreScan {

    private final SampleSet samples;
    private final InverseHvp hvp;
    private final GradientKernels kernels;
    private final ScanPlan plan;
    private final int[] points;
    private final ScoreTable table;
    private final Cancellation cancellation;
    private final double[] greatestScores; // absolute, [columns]; guarded by this
    private final double[] greatestErrors; // [columns]; guarded by this

    /**
     * Prepares the pass.
     *
     * @param points validation point of each column of {@code hvp}
     * @param table receives their scores
     */
    ScoreScan(
            InverseHvp hvp,
            GradientKernels kernels,
            ScanPlan plan,
            int[] points,
            ScoreTable table,
            Cancellation cancellation) {
        this.samples = plan.samples();
        this.hvp = hvp;
        this.kernels = kernels;
        this.plan = plan;
        this.points = points;
        this.table = table;
        this.cancellation = cancellation;
        this.greatestScores = new double[points.length];
        this.greatestErrors = new double[points.length];
    }

    /** Runs the pass. */
    void run(KernelPool pool) {
        pool.forEach(plan.pieceCount(), cancellation, this::scorePiece);
    }

    /** Greatest absolute score of a column; NaN if one is not a number. */
    synchronized double greatestScore(int column) {
        return greatestScores[column];
    }

    /**
     * Estimated rounding error of any score of a column relative to its greatest absolute score. Infinite if all scores are 0 but need
     * not be; NaN if a score is not a number.
     */
    synchronized double relativeError(int column) {
        double error = kernels.relativeError() * greatestErrors[column];
        return error == 0 ? 0 : error / greatestScores[column];
    }

    private void scorePiece(int piece) {
        int firstRow = piece * plan.pieceRows();
        int rows = Math.min(plan.pieceRows(), samples.rowCount() - firstRow);
        double[] scores = new double[points.length * rows];
        double[] errors = new double[points.length * rows];
        double[] gradientNorms = new double[rows];
        double[] dots = new double[0];
        for (int r = 0; r < plan.ranges().size(); r++) {
            cancellation.check();
            BlockRange range = plan.ranges().get(r);
            GradientTile tile = plan.tile(range, firstRow, rows);
            int length = range.blockCount() * scores.length;
            dots = dots.length < length ? new double[length] : dots;
            kernels.dots(tile, hvp.vectors(r), dots);
            for (int b = 0; b < range.blockCount(); b++) {
                fillNorms(tile, range.firstBlock() + b, gradientNorms);
                addBlock(range.firstBlock() + b, firstRow, dots, b * scores.length, gradientNorms, scores, errors);
            }
        }
        for (int j = 0; j < points.length; j++) {
            table.setScores(points[j], firstRow, scores, j * rows, rows);
        }
        noteGreatest(scores, errors, rows);
    }

    /** |g_{k,l}| of the rows of a tile; -1 for rows that count for nothing. */
    private void fillNorms(GradientTile tile, int block, double[] gradientNorms) {
        int first = (int) tile.firstOrdinal();
        MemorySegment norms = samples.squaredNorms().rows(first, tile.rowCount());
        int blockCount = samples.squaredNorms().blockCount();
        for (int k = 0; k < tile.rowCount(); k++) {
            double q = norms.getAtIndex(ValueLayout.JAVA_DOUBLE, (long) k * blockCount + block);
            gradientNorms[k] = samples.live(first + k) ? Math.sqrt(q) : -1;
        }
    }

    private void addBlock(
            int block,
            int firstRow,
            double[] dots,
            int firstDot,
            double[] gradientNorms,
            double[] scores,
            double[] errors) {
        int rows = gradientNorms.length;
        for (int j = 0; j < points.length; j++) {
            double magnitude = hvp.magnitude(block, j);
            for (int k = 0; k < rows; k++) {
                if (gradientNorms[k] >= 0) {
                    int at = j * rows + k;
                    double term = hvp.term(block, j, dots[firstDot + at]) + 0.0; // no -0
                    scores[at] += term;
                    errors[at] += magnitude * gradientNorms[k];
                    if (table.perBlock()) {
                        table.setTerm(block, points[j], firstRow + k, term);
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
