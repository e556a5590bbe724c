package io.datainf.client;

/**
 * A sample that the server did not store. The others of its batch were.
 *
 * @param sampleId the sample
 * @param blockName the first block at fault
 * @param detail what is wrong, with element and value, e.g. NaN
 */
public record RejectedSample(long sampleId, String blockName, String detail) {

    static RejectedSample of(io.datainf.proto.v1.RejectedSample sample) {
        return new RejectedSample(sample.getSampleId(), sample.getBlockName(), sample.getDetail());
    }
}
