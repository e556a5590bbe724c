package io.datainf.loadtests.soak;

import io.datainf.client.DataInfClient;
import io.datainf.client.SampleReader;
import io.datainf.client.StoredSample;
import io.datainf.loadtests.report.Figure;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/** Reads a run back and compares it with what its writers were told is there. */
final class StoredCheck {

    private final List<BitSet> seen = new ArrayList<>();
    private final List<Long> acked = new ArrayList<>();
    private long missing;
    private long repeated;
    private long changed;
    private long foreign;

    /**
     * Prepares a comparison.
     *
     * @param writers numbered from 0, all of whose samples are acknowledged
     */
    StoredCheck(List<SoakWriter> writers) {
        for (SoakWriter writer : writers) {
            acked.add(writer.acked());
            seen.add(new BitSet());
        }
    }

    List<Figure> read(DataInfClient client, String runId) {
        long revision;
        long count = 0;
        try (SampleReader samples = client.readSamples(runId)) {
            revision = samples.revision();
            while (samples.hasNext()) {
                look(samples.next());
                count++;
            }
        }
        for (int writer = 0; writer < seen.size(); writer++) {
            missing += acked.get(writer) - seen.get(writer).cardinality();
        }
        return List.of(
                Figure.reported(
                        "samples acknowledged",
                        acked.stream().mapToDouble(Long::doubleValue).sum(),
                        "samples"),
                Figure.atMost("acknowledged and not there", (double) missing, "samples", 0),
                Figure.atMost("there twice", (double) repeated, "samples", 0),
                // Each sample that is stored, replaced or deleted is a step of the revision.
                Figure.atMost("stored more than once", (double) (revision - count), "samples", 0),
                Figure.atMost("of other content than was sent", (double) changed, "samples", 0),
                Figure.atMost("never sent", (double) foreign, "samples", 0));
    }

    private void look(StoredSample sample) {
        int writer = SoakSample.writer(sample.sampleId());
        long number = SoakSample.number(sample.sampleId());
        if (writer >= seen.size() || number >= acked.get(writer)) {
            foreign++;
            return;
        }
        BitSet numbers = seen.get(writer);
        if (numbers.get((int) number)) {
            repeated++;
        }
        numbers.set((int) number);
        if (!SoakSample.matches(sample.sampleId(), sample.gradient())) {
            changed++;
        }
    }
}
