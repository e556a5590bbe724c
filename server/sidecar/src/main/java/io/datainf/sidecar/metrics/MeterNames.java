package io.datainf.sidecar.metrics;

/**
 * Names of our meters and of their tags. Prometheus sees dots as underscores, with the unit and {@code _total} behind. The
 * values of all tags come from closed sets; runs, samples and writers are never tags.
 */
final class MeterNames {

    static final String INGEST_STREAMS = "datainf.ingest.streams";
    static final String INGEST_STREAMS_HELD = "datainf.ingest.streams.held";
    static final String INGEST_BATCHES = "datainf.ingest.batches";
    static final String INGEST_SAMPLES = "datainf.ingest.samples";
    static final String INGEST_RECEIVED = "datainf.ingest.received";
    static final String INGEST_PENDING_BATCHES = "datainf.ingest.pending.batches";
    static final String INGEST_ACK = "datainf.ingest.ack";

    static final String STORE_APPENDED = "datainf.store.appended";
    static final String STORE_FORCE = "datainf.store.force";
    static final String STORE_FAILURES = "datainf.store.failures";
    static final String STORE_TAIL_CUT = "datainf.store.tail.cut";

    static final String STORE_DAMAGES = "datainf.store.damages";
    static final String STORE_COMPACTED = "datainf.store.compacted";
    static final String STORE_RECLAIMED = "datainf.store.reclaimed";
    static final String STORE_WRITABLE = "datainf.store.writable";

    static final String INGEST_SHARED_MEMORY = "datainf.ingest.shared.memory";

    static final String QUERIES = "datainf.queries";
    static final String QUERY_DURATION = "datainf.query.duration";
    static final String QUERY_STAGE = "datainf.query.stage";
    static final String QUERY_BATCH_WIDTH = "datainf.query.batch.width";
    static final String QUERY_BATCH_COMPUTE = "datainf.query.batch.compute";
    static final String QUERY_SCANNED = "datainf.query.scanned";
    static final String QUERY_QUEUE_DEPTH = "datainf.query.queue.depth";
    static final String QUERY_QUEUE_LIMIT = "datainf.query.queue.limit";

    static final String RUNS = "datainf.runs";
    static final String RUNS_OPEN = "datainf.runs.open";
    static final String SAMPLES_HELD = "datainf.samples.held";
    static final String SAMPLES_RESIDENT = "datainf.samples.resident";
    static final String SAMPLES_DAMAGED = "datainf.samples.damaged";
    static final String ROW_MEMORY = "datainf.row.memory";
    static final String ROW_MEMORY_SPARE = "datainf.row.memory.spare";
    static final String ROW_MEMORY_BUDGET = "datainf.row.memory.budget";

    static final String ZERO_SAMPLES = "datainf.gradients.zero.ratio";
    static final String SKIPPED_BLOCKS = "datainf.gradients.skipped.blocks";
    static final String LAMBDA_LEAST = "datainf.lambda.least";
    static final String LAMBDA_GREATEST = "datainf.lambda.greatest";

    static final String BUILD_INFO = "datainf.build.info";
    static final String ENGINE_INFO = "datainf.engine.info";
    static final String CONNECTIONS = "datainf.connections";
    static final String CONNECTIONS_REFUSED = "datainf.connections.refused";
    static final String DEVICE_WORKING = "datainf.device.working";
    static final String DEVICE_MEMORY_USED = "datainf.device.memory.used";
    static final String DEVICE_MEMORY_SIZE = "datainf.device.memory.size";
    static final String DEVICE_ROW_MEMORY = "datainf.device.row.memory";
    static final String DEVICE_UPLOADED = "datainf.device.uploaded";
    static final String DEVICE_TRANSFERRED = "datainf.device.transferred";
    static final String DEVICE_BUSY = "datainf.device.busy";
    static final String DEVICE_FALLBACKS = "datainf.device.fallbacks";
    static final String DEVICE_ERRORS = "datainf.device.errors";
    static final String KERNEL_THREADS = "datainf.kernel.threads";
    static final String KERNEL_BUSY = "datainf.kernel.busy";
    static final String KERNELS_WARM = "datainf.kernels.warm";
    static final String PROCESS_CPU = "process.cpu";

    /** What became of a thing that was counted. */
    static final String TAG_OUTCOME = "outcome";
    /** Method of a query: datainf, hessian_free, lissa, lissa_reference, exact. */
    static final String TAG_METHOD = "method";
    /** What computes, e.g. vector. */
    static final String TAG_ENGINE = "engine";
    /** Part of a query's time: queue, compute, respond. */
    static final String TAG_STAGE = "stage";

    private MeterNames() {}
}
