package io.datainf.sidecar.ingest;

import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.WriterStream;

/**
 * How a writer introduces itself.
 *
 * @param writerId identifies the writer across reconnects; not empty
 * @param layoutHash proof that its blocks are the run's
 * @param checkpoint at which its gradients were taken
 * @param elementType encoding of its gradients
 * @param stream which of its streams this is
 */
public record WriterHello(
        String writerId, String layoutHash, String checkpoint, ElementType elementType, WriterStream stream) {

    void requireFits(RunDefinition run) {
        if (!layoutHash.equals(run.layout().hash())) {
            throw new WriterMismatchException(
                    run.id(), "layout_hash", layoutHash, run.layout().hash());
        }
        if (!checkpoint.equals(run.checkpoint())) {
            throw new WriterMismatchException(run.id(), "checkpoint", checkpoint, run.checkpoint());
        }
    }
}
