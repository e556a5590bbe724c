package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.ScoreChunk;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Iterator;
import java.util.NoSuchElementException;

/** Cuts one value a sample into chunks. */
final class ValueChunks implements Iterator<ScoreChunk> {

    /** Most values of a chunk: 16 bytes each, half a MiB, where the protocol allows less than one. */
    static final int CHUNK_VALUES = 32_768;

    private final long[] sampleIds;
    private final double[] values;
    private int sent;

    /** Takes both arrays over, which are equally long. */
    ValueChunks(long[] sampleIds, double[] values) {
        this.sampleIds = sampleIds;
        this.values = values;
    }

    @Override
    public boolean hasNext() {
        return sent < values.length;
    }

    @Override
    public ScoreChunk next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        int count = Math.min(CHUNK_VALUES, values.length - sent);
        ByteBuffer ids = ByteBuffer.allocate(count * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer doubles = ByteBuffer.allocate(count * Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        ids.asLongBuffer().put(sampleIds, sent, count);
        doubles.asDoubleBuffer().put(values, sent, count);
        sent += count;
        return ScoreChunk.newBuilder()
                .setSampleIds(Encodings.written(ids.position(ids.capacity())))
                .setScores(Encodings.written(doubles.position(doubles.capacity())))
                .build();
    }
}
