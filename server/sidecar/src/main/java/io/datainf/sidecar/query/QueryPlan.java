package io.datainf.sidecar.query;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.run.Run;
import java.util.List;

/**
 * A checked query.
 *
 * @param run the run
 * @param source whose influence is asked for
 * @param mean answer for the mean of the validation points instead of each
 * @param method how the inverse Hessian-vector product is found
 * @param dampings damping values to answer for, each apart; at least 1
 * @param selection which samples' scores are returned
 * @param options the rest
 */
public record QueryPlan(
        Run run,
        QuerySource source,
        boolean mean,
        InfluenceMethod method,
        List<Damping> dampings,
        SampleSelection selection,
        QueryOptions options)
        implements AutoCloseable {

    public QueryPlan {
        if (dampings.isEmpty()) {
            throw new IllegalArgumentException("dampings is empty: expected at least 1");
        }
        if (options.perBlock() && selection instanceof SampleSelection.Top) {
            throw new IllegalArgumentException("perBlock is true: expected false with a top selection");
        }
        dampings = List.copyOf(dampings);
    }

    /** Answers for each damping: validation points, or 1 for their mean. */
    public int queryCount() {
        return mean ? 1 : source.count();
    }

    /** Lets the validation gradients go. */
    @Override
    public void close() {
        if (source instanceof ValidationGradients gradients) {
            gradients.close();
        }
    }
}
