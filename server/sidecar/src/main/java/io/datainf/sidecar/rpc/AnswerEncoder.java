package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.QueryResponse;
import io.datainf.proto.v1.ScoreChunk;
import io.datainf.proto.v1.Snapshot;
import io.datainf.proto.v1.Summary;
import io.datainf.sidecar.query.QueryAnswer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.PrimitiveIterator;
import org.jspecify.annotations.Nullable;

/**
 * Encodes an answer part by part, as the client reads: snapshot, score chunks, summary. Owns the answer. For one thread at a
 * time.
 */
final class AnswerEncoder implements Parts<QueryResponse> {

    // 16 bytes a score: half a MiB, where the protocol allows less than one.
    private static final int CHUNK_SCORES = 32_768;
    private static final int SUM_OF_BLOCKS = -1;

    private final QueryAnswer answer;
    private final QueryTrace trace;
    private boolean begun;
    private boolean ended;
    // Position of the next chunk.
    private int damping;
    private int query;
    private int block = SUM_OF_BLOCKS;
    private PrimitiveIterator.@Nullable OfInt rows;

    AnswerEncoder(QueryAnswer answer, QueryTrace trace) {
        this.answer = answer;
        this.trace = trace;
    }

    @Override
    public boolean hasNext() {
        return !ended;
    }

    @Override
    public QueryResponse next() {
        if (!begun) {
            begun = true;
            return QueryResponse.newBuilder().setSnapshot(snapshot()).build();
        }
        if (damping < answer.dampingCount()) {
            return QueryResponse.newBuilder().setScores(chunk()).build();
        }
        ended = true;
        return QueryResponse.newBuilder().setSummary(summary()).build();
    }

    @Override
    public void close() {
        answer.close();
    }

    private Snapshot snapshot() {
        Snapshot.Builder snapshot = Snapshot.newBuilder()
                .setSampleCount(answer.sampleCount())
                .setRevision(answer.revision())
                .setMethod(Methods.encode(answer.method()))
                .setStoredElementType(ElementTypes.encode(answer.definition().storedType()))
                .setEngine(answer.engineName());
        for (int i = 0; i < answer.dampingCount(); i++) {
            snapshot.addDampings(Encodings.dampings(answer.lambda(i)));
        }
        return snapshot.build();
    }

    private ScoreChunk chunk() {
        PrimitiveIterator.OfInt remaining = rows;
        if (remaining == null) {
            remaining = answer.rows(damping, query);
            rows = remaining;
        }
        ScoreChunk.Builder chunk = ScoreChunk.newBuilder().setQueryIndex(query).setDampingIndex(damping);
        if (block != SUM_OF_BLOCKS) {
            chunk.setBlockIndex(block);
        }
        int capacity = (int) Math.min(CHUNK_SCORES, answer.selectedCount()) * Long.BYTES;
        ByteBuffer ids = ByteBuffer.allocate(capacity).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer scores = ByteBuffer.allocate(capacity).order(ByteOrder.LITTLE_ENDIAN);
        while (ids.hasRemaining() && remaining.hasNext()) {
            int row = remaining.nextInt();
            ids.putLong(answer.sampleId(row));
            scores.putDouble(
                    block == SUM_OF_BLOCKS
                            ? answer.score(damping, query, row)
                            : answer.blockScore(damping, block, query, row));
        }
        if (!remaining.hasNext()) {
            rows = null;
            advance();
        }
        return chunk.setSampleIds(Encodings.written(ids))
                .setScores(Encodings.written(scores))
                .build();
    }

    private void advance() {
        if (++block == answer.termCount()) {
            block = SUM_OF_BLOCKS;
            if (++query == answer.queryCount()) {
                query = 0;
                damping++;
            }
        }
    }

    private Summary summary() {
        Summary.Builder summary = Summary.newBuilder()
                .setQueueDuration(Encodings.duration(answer.queueNanos()))
                .setComputeDuration(Encodings.duration(answer.computeNanos()))
                .setRecomputedInDouble(answer.recomputedInDouble())
                .setBatchQueryCount(answer.batchQueryCount());
        answer.solverReports().forEach(report -> summary.addSolverReports(Encodings.report(report)));
        answer.relativeErrorBound().ifPresent(summary::setRelativeErrorBound);
        summary.setRespondDuration(Encodings.duration(answer.markSent()));
        trace.answered(answer);
        return summary.build();
    }
}
