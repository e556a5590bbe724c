package io.datainf.engine.influence;

import io.datainf.engine.influence.SolverChoice.Solver;
import io.datainf.engine.kernel.GradientKernels;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Scores by EXACT: h_l = (G_l + lambda_l I)^-1 v_l in float64, each block by the solver that suits it. */
final class ExactComputation {

    private final InfluenceRequest request;
    private final InfluenceMethod.Exact method;
    private final List<DampingAnswer> answers;
    private final ScanContext context;
    private final @Nullable Solver forced;

    /**
     * Prepares the computation.
     *
     * @param answers to fill, one for each damping of the request
     * @param context with kernels of float64, for all blocks
     * @param forced the solver to take for all blocks; null for the cheapest
     */
    ExactComputation(
            InfluenceRequest request,
            InfluenceMethod.Exact method,
            List<DampingAnswer> answers,
            ScanContext context,
            @Nullable Solver forced) {
        this.request = request;
        this.method = method;
        this.answers = answers;
        this.context = context;
        this.forced = forced;
    }

    /**
     * Runs the computation.
     *
     * @throws MemoryLimitException before any work if a block cannot be solved within the memory allowed
     */
    void run() {
        double[] lambda = answers.getFirst().lambda();
        SolverChoice[] choices = new SolverChoice[lambda.length];
        for (int l = 0; l < lambda.length; l++) {
            if (lambda[l] != 0) {
                choices[l] = SolverChoice.choose(request, method, answers, l, forced);
                context.work().expect(choices[l].multiplications());
            }
        }
        List<Integer> iterated = new ArrayList<>();
        for (int l = 0; l < lambda.length; l++) {
            if (choices[l] != null) {
                switch (choices[l].solver()) {
                    case GRAM -> new GramSolver(request, method.tolerance(), answers, context).solve(l);
                    case CHOLESKY ->
                        new CholeskySolver(request, method.tolerance(), answers, this::score, context).solve(l);
                    case CONJUGATE_GRADIENTS -> iterated.add(l);
                }
            }
        }
        iterate(iterated);
        answers.forEach(answer -> answer.finishExact(request.samples()));
    }

    /** Conjugate gradients over as many blocks and points at a time as memory allows. */
    private void iterate(List<Integer> blocks) {
        int first = 0;
        while (first < blocks.size()) {
            int elements = request.samples().layout().width(blocks.get(first));
            int end = first + 1;
            while (end < blocks.size()
                    && fits(elements + request.samples().layout().width(blocks.get(end)))) {
                elements += request.samples().layout().width(blocks.get(end));
                end++;
            }
            double columns = method.memoryLimitBytes() / SolverChoice.conjugateGradientBytes(elements);
            iterate(blocks.subList(first, end), (int) Math.clamp(columns, 1, Computation.MAX_COLUMNS));
            first = end;
        }
    }

    private boolean fits(int elements) {
        return elements > 0 && SolverChoice.conjugateGradientBytes(elements) <= method.memoryLimitBytes();
    }

    private void iterate(List<Integer> blocks, int columns) {
        ScanContext part = context(context, blocks);
        for (DampingAnswer answer : answers) {
            for (int point = 0; point < request.validationCount(); point += columns) {
                int end = Math.min(point + columns, request.validationCount());
                ColumnGroup group = new ColumnGroup(IntStream.range(point, end).toArray(), List.of(answer));
                ColumnSource validation = new ValidationColumns(request, group.points());
                try (InverseHvp hvp = new ConjugateGradients(part, group, validation, method.tolerance()).run()) {
                    score(part, hvp, group);
                }
            }
        }
    }

    /** Adds the scores of some blocks. */
    private void score(ScanContext part, InverseHvp hvp, ColumnGroup group) {
        ScoreScan scan = new ScoreScan(part, hvp, group);
        scan.run();
        for (int j = 0; j < group.columnCount(); j++) {
            group.damping(j).addExact(group.point(j), hvp.norm(j), scan.error(j));
        }
    }

    /** Returns the context of a scan over some blocks only. */
    static ScanContext context(ScanContext whole, List<Integer> blocks) {
        double[] mask = new double[whole.samples().layout().blockCount()];
        blocks.forEach(l -> mask[l] = 1);
        GradientKernels kernels = whole.kernels();
        ScanPlan plan = ScanPlan.of(
                whole.samples(), mask, kernels.preferredElements(Computation.MAX_COLUMNS), kernels.tileRows());
        return new ScanContext(plan, kernels, whole.single(), whole.pool(), whole.work());
    }
}
