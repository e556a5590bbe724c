package io.datainf.sidecar.query;

import io.datainf.engine.influence.InfluenceCalculator;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import java.util.function.BooleanSupplier;

/**
 * Queues queries and computes them in batches, each on the newest durable state when its turn comes. Queries whose method takes
 * long have a queue and a thread of their own, so that the others do not wait for them. A full queue refuses. Thread-safe.
 */
public final class QueryExecutor implements AutoCloseable {

    // Self-influences of 8 million samples.
    private static final long KEPT_BYTES = 64L << 20;

    private final InfluenceCalculator calculator;
    private final QueryLimits limits;
    private final QueryEvents events;
    private final QueryMemory memory;
    private final QueryLane shortLane;
    private final QueryLane longLane;
    private final AnalysisExecutor analyses;

    /** Starts the threads that compute. The calculator stays the caller's. */
    public QueryExecutor(InfluenceCalculator calculator, QueryLimits limits, QueryEvents events) {
        this.calculator = calculator;
        this.limits = limits;
        this.events = events;
        this.memory = new QueryMemory(limits.maxMemoryBytes());
        SelfInfluences selfInfluences = new SelfInfluences(KEPT_BYTES);
        EngineSpeed speed = new EngineSpeed();
        BatchComputation computation = new BatchComputation(calculator, memory, selfInfluences, speed, events);
        this.shortLane = new QueryLane("datainf-query", limits.queueCapacity(), computation);
        this.longLane = new QueryLane("datainf-query-long", limits.queueCapacity(), computation);
        this.analyses = new AnalysisExecutor(calculator, memory, selfInfluences, speed);
    }

    /** Engine that computes, e.g. "vector". */
    public String engineName() {
        return calculator.engineName();
    }

    /** What is allowed. */
    public QueryLimits limits() {
        return limits;
    }

    /** Memory that queries hold. */
    public QueryMemory memory() {
        return memory;
    }

    /** Jobs over whole runs. */
    public AnalysisExecutor analyses() {
        return analyses;
    }

    /** Queries that wait. */
    public int queueDepth() {
        return shortLane.depth() + longLane.depth();
    }

    /** Most queries that may wait, of short and of long methods together. */
    public int queueLimit() {
        return 2 * limits.queueCapacity();
    }

    /**
     * Returns room for validation gradients, to be filled and made part of a plan or closed.
     *
     * @throws QueryMemoryException if there is too little memory
     */
    public ValidationGradients allocate(BlockLayout layout, int count, ElementType elementType) {
        return ValidationGradients.allocate(layout, count, elementType, memory);
    }

    /**
     * Queues a query. Takes the plan over, also when it throws.
     *
     * @param client who asks: equal for queries of the same client, with whom others share turns
     * @param cancelled whether the asker is gone or its deadline has passed; asked from any thread until the listener is told
     * @throws QueryQueueFullException if too many queries wait
     * @throws QueryExecutorClosedException if the server is stopping
     */
    public void submit(QueryPlan plan, Object client, BooleanSupplier cancelled, QueryListener listener) {
        QueryLane lane = BatchMonitor.takesLong(plan.method()) ? longLane : shortLane;
        try {
            lane.add(new QueuedQuery(plan, client, cancelled, listener));
        } catch (RuntimeException e) {
            plan.close();
            events.queryRefused();
            throw e;
        }
    }

    /** Lets go of queries that wait and are cancelled, ahead of their turn. */
    public void discardCancelled() {
        shortLane.discardCancelled();
        longLane.discardCancelled();
    }

    /** Refuses new work, fails what waits, stops what runs, and waits for it to stop. */
    @Override
    public void close() {
        shortLane.close();
        longLane.close();
        analyses.close();
    }
}
