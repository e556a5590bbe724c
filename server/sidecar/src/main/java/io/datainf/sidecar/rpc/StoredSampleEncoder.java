package io.datainf.sidecar.rpc;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.influence.SampleSet;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunSnapshot;
import io.datainf.proto.v1.ReadSamplesResponse;
import io.datainf.proto.v1.SamplesHeader;
import io.datainf.proto.v1.StoredSampleChunk;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.NoSuchElementException;

/**
 * Encodes samples of a snapshot, which it owns, chunk by chunk. Holds one row and, while it is made, one chunk. For one thread
 * at a time.
 */
final class StoredSampleEncoder implements Parts<ReadSamplesResponse> {

    /** Most bytes of gradients and squared norms that go into a chunk, unless one sample's squared norms have more. */
    static final int CHUNK_BYTES = 2 << 20;

    private final Run run;
    private final RunSnapshot snapshot;
    private final int[] ordinals;
    private final int blockCount;
    private final long rowBytes;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment row;
    private boolean begun;
    // The next sample, and how much of its row was sent.
    private int next;
    private long rowSent;

    /** Takes the snapshot over, if it does not throw. */
    StoredSampleEncoder(Run run, RunSnapshot snapshot, int[] ordinals) {
        this.run = run;
        this.snapshot = snapshot;
        this.ordinals = ordinals;
        SampleSet samples = snapshot.samples();
        this.blockCount = samples.layout().blockCount();
        this.rowBytes = samples.gradients().rowBytes();
        this.row = arena.allocate(rowBytes, Long.BYTES);
    }

    @Override
    public boolean hasNext() {
        return !begun || next < ordinals.length;
    }

    @Override
    public ReadSamplesResponse next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        if (!begun) {
            begun = true;
            return ReadSamplesResponse.newBuilder().setHeader(header()).build();
        }
        StoredSampleChunk chunk = rowBytes > CHUNK_BYTES ? fragment() : wholeSamples();
        return ReadSamplesResponse.newBuilder().setSamples(chunk).build();
    }

    @Override
    public void close() {
        arena.close();
        snapshot.close();
    }

    private SamplesHeader header() {
        SampleSet samples = snapshot.samples();
        double[] lambda = samples.sampleCount() == 0
                ? new double[blockCount]
                : new Damping.Scaled(snapshot.definition().dampingScale())
                        .lambda(samples.layout(), samples.statistics());
        return SamplesHeader.newBuilder()
                .setRun(RunEncoder.encode(run).toBuilder()
                        .setSampleCount(samples.sampleCount())
                        .setRevision(snapshot.revision()))
                .setDampings(Encodings.dampings(lambda))
                .setCount(ordinals.length)
                .build();
    }

    private StoredSampleChunk wholeSamples() {
        long sampleBytes = rowBytes + (long) blockCount * Double.BYTES;
        int count = (int) Math.min(Math.max(CHUNK_BYTES / sampleBytes, 1), ordinals.length - next);
        ByteBuffer gradients = ByteBuffer.allocate((int) (count * rowBytes));
        StoredSampleChunk.Builder chunk = describe(count);
        for (int i = 0; i < count; i++) {
            snapshot.readRow(ordinals[next + i], row);
            gradients.put(row.asByteBuffer());
        }
        next += count;
        return chunk.setGradients(Encodings.written(gradients)).build();
    }

    private StoredSampleChunk fragment() {
        if (rowSent == 0) {
            snapshot.readRow(ordinals[next], row);
        }
        StoredSampleChunk.Builder chunk = rowSent == 0
                ? describe(1)
                : StoredSampleChunk.newBuilder().addSampleIds(snapshot.sampleId(ordinals[next]));
        chunk.setElementOffset(
                rowSent / snapshot.samples().gradients().elementType().byteCount());
        int bytes = (int) Math.min(CHUNK_BYTES, rowBytes - rowSent);
        ByteBuffer gradients =
                ByteBuffer.allocate(bytes).put(row.asSlice(rowSent, bytes).asByteBuffer());
        rowSent += bytes;
        if (rowSent == rowBytes) {
            rowSent = 0;
            next++;
        }
        return chunk.setGradients(Encodings.written(gradients)).build();
    }

    /** Begins a chunk with all that is known of the next samples but their gradients. */
    private StoredSampleChunk.Builder describe(int count) {
        StoredSampleChunk.Builder chunk = StoredSampleChunk.newBuilder();
        ByteBuffer squaredNorms =
                ByteBuffer.allocate(count * blockCount * Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            int ordinal = ordinals[next + i];
            chunk.addSampleIds(snapshot.sampleId(ordinal))
                    .addSteps(snapshot.step(ordinal))
                    .addRowCrc32C(snapshot.checksum(ordinal));
            for (int l = 0; l < blockCount; l++) {
                squaredNorms.putDouble(snapshot.samples().squaredNorms().get(ordinal, l));
            }
        }
        return chunk.setSquaredNorms(Encodings.written(squaredNorms));
    }
}
