package io.datainf.sidecar.rpc;

import io.datainf.engine.influence.SampleSet;
import io.datainf.engine.run.RunSnapshot;
import io.datainf.proto.v1.GetSquaredNormsResponse;
import io.datainf.proto.v1.ScoreChunk;
import io.datainf.proto.v1.SquaredNormsHeader;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Encodes the squared norms of a snapshot, which it owns, part by part. For one thread at a time. */
final class SquaredNormsEncoder implements Parts<GetSquaredNormsResponse> {

    private static final int SUM_OF_BLOCKS = -1;

    private final RunSnapshot snapshot;
    private final int[] rows;
    private final int blockCount;
    private boolean begun;
    private int block = SUM_OF_BLOCKS;
    private @Nullable ValueChunks chunks;

    SquaredNormsEncoder(RunSnapshot snapshot, boolean perBlock) {
        this.snapshot = snapshot;
        SampleSet samples = snapshot.samples();
        this.rows = IntStream.range(0, samples.rowCount()).filter(samples::live).toArray();
        this.blockCount = perBlock ? samples.layout().blockCount() : 0;
    }

    @Override
    public boolean hasNext() {
        return !begun || (block < blockCount && rows.length > 0);
    }

    @Override
    public GetSquaredNormsResponse next() {
        GetSquaredNormsResponse.Builder response = GetSquaredNormsResponse.newBuilder();
        if (!begun) {
            begun = true;
            return response.setHeader(SquaredNormsHeader.newBuilder()
                            .setSampleCount(rows.length)
                            .setRevision(snapshot.revision()))
                    .build();
        }
        ValueChunks current = chunks == null ? new ValueChunks(ids(), norms()) : chunks;
        ScoreChunk.Builder chunk = current.next().toBuilder();
        if (block != SUM_OF_BLOCKS) {
            chunk.setBlockIndex(block);
        }
        chunks = current;
        if (!current.hasNext()) {
            chunks = null;
            block++;
        }
        return response.setSquaredNorms(chunk).build();
    }

    @Override
    public void close() {
        snapshot.close();
    }

    private long[] ids() {
        return IntStream.of(rows).mapToLong(snapshot::sampleId).toArray();
    }

    private double[] norms() {
        SampleSet samples = snapshot.samples();
        int from = block == SUM_OF_BLOCKS ? 0 : block;
        int to = block == SUM_OF_BLOCKS ? samples.layout().blockCount() : block + 1;
        double[] norms = new double[rows.length];
        for (int i = 0; i < rows.length; i++) {
            for (int l = from; l < to; l++) {
                norms[i] += samples.squaredNorms().get(rows[i], l);
            }
        }
        return norms;
    }
}
