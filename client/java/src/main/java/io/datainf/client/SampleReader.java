package io.datainf.client;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.ElementType;
import io.datainf.proto.v1.ExportServiceGrpc;
import io.datainf.proto.v1.ReadSamplesRequest;
import io.datainf.proto.v1.ReadSamplesResponse;
import io.datainf.proto.v1.SamplesHeader;
import io.datainf.proto.v1.StoredSampleChunk;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.zip.CRC32C;

/**
 * Samples of one revision of a run, one after the other; see {@link DataInfClient#readSamples}. Memory holds a few MiB of them at a
 * time. Checksums are compared as the samples arrive. Close it, so that the server need not go on. For one thread.
 */
public final class SampleReader implements Iterator<StoredSample>, AutoCloseable {
    private final Context.CancellableContext context = Context.current().withCancellation();
    private final Iterator<ReadSamplesResponse> responses;
    private final SamplesHeader header;
    private final boolean bfloat16;
    private final int rowBytes;
    private StoredSampleChunk chunk = StoredSampleChunk.getDefaultInstance();
    private int nextInChunk;
    private long given;

    private SampleReader(Channel channel, ReadSamplesRequest request) {
        Context before = context.attach();
        try {
            responses = ExportServiceGrpc.newBlockingStub(channel).readSamples(request);
        } finally {
            context.detach(before);
        }
        header = next(responses).getHeader();
        bfloat16 = header.getRun().getStoredElementType() == ElementType.ELEMENT_TYPE_BF16;
        rowBytes = Math.toIntExact(header.getRun().getDimension() * (bfloat16 ? Short.BYTES : Float.BYTES));
    }

    /** Opens a stream and waits for its beginning. */
    static SampleReader open(Channel channel, ReadSamplesRequest request) {
        return new SampleReader(channel, request);
    }

    /** The revision that is read. */
    public long revision() {
        return header.getRun().getRevision();
    }

    /** How many samples there are to read. */
    public long count() {
        return header.getCount();
    }

    /** lambda of each block at that revision and the run's damping scale, [L]. */
    public List<Double> dampings() {
        return header.getDampings().getValuesList();
    }

    @Override
    public boolean hasNext() {
        return given < count();
    }

    /**
     * Returns the next sample.
     *
     * @throws DataInfException if the call failed; DATA_LOSS if a checksum is wrong
     */
    @Override
    public StoredSample next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        if (nextInChunk == chunk.getSampleIdsCount()) {
            chunk = next(responses).getSamples();
            nextInChunk = 0;
        }
        int i = nextInChunk++;
        byte[] row = row(i);
        requireChecksum(chunk.getSampleIds(i), row, chunk.getRowCrc32C(i));
        int blocks = header.getRun().getLayout().getBlocksCount();
        double[] squaredNorms = new double[blocks];
        chunk.getSquaredNorms()
                .substring(i * blocks * Double.BYTES, (i + 1) * blocks * Double.BYTES)
                .asReadOnlyByteBuffer()
                .order(ByteOrder.LITTLE_ENDIAN)
                .asDoubleBuffer()
                .get(squaredNorms);
        given++;
        return new StoredSample(chunk.getSampleIds(i), chunk.getSteps(i), squaredNorms, bfloat16, row);
    }

    /** Ends the stream. */
    @Override
    public void close() {
        context.cancel(null);
    }

    /** Takes a row out of the chunk, or puts it together from the fragments that follow. */
    private byte[] row(int i) {
        ByteBuffer row = ByteBuffer.allocate(rowBytes);
        ByteString gradients = chunk.getGradients();
        if (gradients.size() >= (long) chunk.getSampleIdsCount() * rowBytes) {
            gradients.substring(i * rowBytes, (i + 1) * rowBytes).copyTo(row);
            return row.array();
        }
        gradients.copyTo(row);
        while (row.hasRemaining()) {
            next(responses).getSamples().getGradients().copyTo(row);
        }
        return row.array();
    }

    private static void requireChecksum(long sampleId, byte[] row, int expected) {
        CRC32C crc = new CRC32C();
        crc.update(row);
        if ((int) crc.getValue() != expected) {
            throw new DataInfException(
                    Status.Code.DATA_LOSS,
                    "CHECKSUM_MISMATCH",
                    String.format(
                            "sample %s has checksum 0x%08x: expected 0x%08x",
                            Long.toUnsignedString(sampleId), (int) crc.getValue(), expected));
        }
    }

    private static ReadSamplesResponse next(Iterator<ReadSamplesResponse> responses) {
        try {
            return responses.next();
        } catch (StatusRuntimeException e) {
            throw DataInfException.of(e);
        } catch (NoSuchElementException e) {
            throw DataInfException.of(Status.INTERNAL
                    .withDescription("the answer ended before its last message")
                    .asRuntimeException());
        }
    }
}
