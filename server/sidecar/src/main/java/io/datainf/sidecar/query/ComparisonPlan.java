package io.datainf.sidecar.query;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.InfluenceMethod;
import io.datainf.engine.run.Run;
import java.util.List;

/**
 * A checked request to compare methods.
 *
 * @param run the run
 * @param source the validation points
 * @param methods what is compared with EXACT; at least 1
 * @param exact how EXACT is solved
 * @param damping how lambda is found
 * @param minRevision compare at this revision or a later one; 0 for whatever is durable
 */
public record ComparisonPlan(
        Run run,
        QuerySource source,
        List<InfluenceMethod> methods,
        InfluenceMethod.Exact exact,
        Damping damping,
        long minRevision)
        implements AutoCloseable {

    public ComparisonPlan {
        methods = List.copyOf(methods);
        if (methods.isEmpty()) {
            throw new IllegalArgumentException("methods is empty: expected at least 1");
        }
    }

    /** Lets the validation gradients go. */
    @Override
    public void close() {
        if (source instanceof ValidationGradients gradients) {
            gradients.close();
        }
    }
}
