package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.ComputeSelfInfluenceResponse;
import io.datainf.proto.v1.Summary;
import io.datainf.sidecar.query.SelfInfluenceAnswer;

/** Encodes self-influences part by part: snapshot, chunks, summary. For one thread at a time. */
final class SelfInfluenceEncoder implements Parts<ComputeSelfInfluenceResponse> {

    private final SelfInfluenceAnswer answer;
    private final ValueChunks chunks;
    private boolean begun;
    private boolean ended;

    SelfInfluenceEncoder(SelfInfluenceAnswer answer) {
        this.answer = answer;
        this.chunks = new ValueChunks(answer.sampleIds(), answer.values());
    }

    @Override
    public boolean hasNext() {
        return !ended;
    }

    @Override
    public ComputeSelfInfluenceResponse next() {
        ComputeSelfInfluenceResponse.Builder response = ComputeSelfInfluenceResponse.newBuilder();
        if (!begun) {
            begun = true;
            return response.setSnapshot(Encodings.snapshot(
                            answer.facts(), io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_DATAINF))
                    .build();
        }
        if (chunks.hasNext()) {
            return response.setScores(chunks.next()).build();
        }
        ended = true;
        return response.setSummary(Summary.newBuilder()
                        .setQueueDuration(Encodings.duration(answer.queueNanos()))
                        .setComputeDuration(Encodings.duration(answer.computeNanos()))
                        .setRespondDuration(Encodings.duration(System.nanoTime() - answer.computedAtNanos()))
                        .setBatchQueryCount(1))
                .build();
    }
}
