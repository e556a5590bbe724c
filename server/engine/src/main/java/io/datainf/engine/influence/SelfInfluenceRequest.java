package io.datainf.engine.influence;

/**
 * The influence of samples on themselves: the DataInf score of sample k on the loss of sample k, at most 0.
 *
 * @param samples the samples, at least one live
 * @param damping how lambda is found
 * @param ordinals live rows to compute it for; not copied
 */
@SuppressWarnings("ArrayRecordComponent") // handed over, not shared
public record SelfInfluenceRequest(SampleSet samples, Damping damping, int[] ordinals) {

    public SelfInfluenceRequest {
        if (samples.sampleCount() < 1) {
            throw new IllegalArgumentException("samples has no live sample: expected at least 1");
        }
        for (int ordinal : ordinals) {
            if (ordinal < 0 || ordinal >= samples.rowCount() || !samples.live(ordinal)) {
                throw new IllegalArgumentException(
                        "ordinal is %d: expected a live row below %d".formatted(ordinal, samples.rowCount()));
            }
        }
    }

    /** Asks for all live samples, in order. */
    public static SelfInfluenceRequest all(SampleSet samples, Damping damping) {
        return new SelfInfluenceRequest(samples, damping, samples.liveOrdinals());
    }

    /** What it costs: about this many multiplications, ordinals x n x D; some of them twice where float32 is not enough. */
    public double multiplications() {
        return (double) ordinals.length
                * samples.sampleCount()
                * samples.layout().dimension();
    }
}
