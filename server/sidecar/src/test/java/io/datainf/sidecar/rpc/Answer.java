package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.Progress;
import io.datainf.proto.v1.QueryResponse;
import io.datainf.proto.v1.QueryStreamResponse;
import io.datainf.proto.v1.ScoreChunk;
import io.datainf.proto.v1.Snapshot;
import io.datainf.proto.v1.Summary;
import io.grpc.stub.BlockingClientCall;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** An answer put together from its parts, whose order and sizes it checks. */
final class Answer {

    private static final int MAX_CHUNK_BYTES = 1 << 20;
    private static final int SUM_OF_BLOCKS = -1;
    private static final long PATIENCE_SECONDS = 60;

    /** Which scores: of a validation point, a damping, and a block or their sum. */
    record Key(int query, int damping, int block) {}

    private final Map<Key, List<Long>> ids = new LinkedHashMap<>();
    private final Map<Key, List<Double>> scores = new LinkedHashMap<>();
    private @Nullable Snapshot snapshot;
    private @Nullable Summary summary;
    private int chunkCount;
    private double progress;

    /** Reads the whole answer of a call of Query. */
    static Answer read(BlockingClientCall<?, QueryResponse> call) throws Exception {
        Answer answer = new Answer();
        answer.readRest(call);
        return answer;
    }

    /** Reads what is left. */
    void readRest(BlockingClientCall<?, QueryResponse> call) throws Exception {
        for (QueryResponse part = next(call); part != null; part = next(call)) {
            add(part);
        }
        assertThat(summary).isNotNull();
    }

    /** Reads one part. */
    void readPart(BlockingClientCall<?, QueryResponse> call) throws Exception {
        QueryResponse part = next(call);
        assertThat(part).isNotNull();
        add(part);
    }

    private static @Nullable QueryResponse next(BlockingClientCall<?, QueryResponse> call) throws Exception {
        return call.read(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    void add(QueryResponse part) {
        switch (part.getPartCase()) {
            case SNAPSHOT -> add(part.getSnapshot());
            case SCORES -> add(part.getScores());
            case SUMMARY -> add(part.getSummary());
            case PROGRESS -> add(part.getProgress());
            case PART_NOT_SET -> throw new AssertionError("unexpected part " + part);
        }
    }

    /** Adds a part of an answer on QueryStream; true at its end. */
    boolean add(QueryStreamResponse part) {
        switch (part.getPartCase()) {
            case SNAPSHOT -> add(part.getSnapshot());
            case SCORES -> add(part.getScores());
            case SUMMARY -> add(part.getSummary());
            case PROGRESS, ERROR, PART_NOT_SET -> throw new AssertionError("unexpected part " + part);
        }
        return summary != null;
    }

    private void add(Progress part) {
        assertThat(snapshot).isNull();
        assertThat(part.getFraction()).isBetween(progress, 1.0);
        progress = part.getFraction();
    }

    private void add(Snapshot part) {
        assertThat(snapshot).isNull();
        snapshot = part;
    }

    private void add(ScoreChunk chunk) {
        assertThat(snapshot).isNotNull();
        assertThat(summary).isNull();
        assertThat(chunk.getSerializedSize()).isLessThan(MAX_CHUNK_BYTES);
        Key key = new Key(
                chunk.getQueryIndex(),
                chunk.getDampingIndex(),
                chunk.hasBlockIndex() ? chunk.getBlockIndex() : SUM_OF_BLOCKS);
        ByteBuffer idBytes = bytes(chunk.getSampleIds());
        ByteBuffer scoreBytes = bytes(chunk.getScores());
        assertThat(idBytes.remaining()).isEqualTo(scoreBytes.remaining()).isPositive();
        while (idBytes.hasRemaining()) {
            ids.computeIfAbsent(key, absent -> new ArrayList<>()).add(idBytes.getLong());
            scores.computeIfAbsent(key, absent -> new ArrayList<>()).add(scoreBytes.getDouble());
        }
        chunkCount++;
    }

    private void add(Summary part) {
        assertThat(snapshot).isNotNull();
        assertThat(summary).isNull();
        summary = part;
    }

    private static ByteBuffer bytes(ByteString bytes) {
        return bytes.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    }

    Snapshot snapshot() {
        return Objects.requireNonNull(snapshot);
    }

    /** The greatest fraction that was told; 0 if none was. */
    double progress() {
        return progress;
    }

    Summary summary() {
        return Objects.requireNonNull(summary);
    }

    int chunkCount() {
        return chunkCount;
    }

    int seriesCount() {
        return scores.size();
    }

    List<Long> ids(int query) {
        return Objects.requireNonNull(ids.get(new Key(query, 0, SUM_OF_BLOCKS)));
    }

    double[] scores(int query) {
        return scores(query, 0, SUM_OF_BLOCKS);
    }

    double[] scores(int query, int damping) {
        return scores(query, damping, SUM_OF_BLOCKS);
    }

    double[] blockScores(int query, int block) {
        return scores(query, 0, block);
    }

    private double[] scores(int query, int damping, int block) {
        return Objects.requireNonNull(scores.get(new Key(query, damping, block))).stream()
                .mapToDouble(Double::doubleValue)
                .toArray();
    }

    /** Greatest difference to {@code expected}, relative to its greatest absolute value. */
    static double relativeError(double[] actual, double[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        double error = 0;
        double greatest = 0;
        for (int k = 0; k < expected.length; k++) {
            error = Math.max(error, Math.abs(actual[k] - expected[k]));
            greatest = Math.max(greatest, Math.abs(expected[k]));
        }
        return error == 0 ? 0 : error / greatest;
    }
}
