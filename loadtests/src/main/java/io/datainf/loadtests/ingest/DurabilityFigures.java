package io.datainf.loadtests.ingest;

import io.datainf.loadtests.faults.StoreWriting;
import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.Measured;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How fast samples come in that are forced to the disk, beside how fast the store alone writes them. */
final class DurabilityFigures {

    private static final double LEAST_RATIO = 0.9;

    private DurabilityFigures() {}

    /**
     * Measures.
     *
     * @param forced to a server that forces, rows of {@link StoreWriting#ROW_BYTES}
     */
    static List<Figure> measure(Senders senders, Route forced, IngestScale scale) throws Exception {
        Path folder = Files.createTempDirectory("datainf");
        int samples = (int) (scale.bytes() / StoreWriting.ROW_BYTES);
        List<Double> rates = new ArrayList<>();
        List<Double> alone = new ArrayList<>();
        List<Double> ratios = new ArrayList<>();
        try {
            for (int round = -1; round < scale.rounds(); round++) {
                double rate = senders.send(forced, scale.bytes()).gigabytesPerSecond();
                double store = StoreWriting.write(folder, 1, samples).bytesPerSecond() / 1e9;
                System.err.printf("%s: %.3f GB/s, the store alone %.3f GB/s%n", forced.name(), rate, store);
                if (round >= 0) {
                    rates.add(rate);
                    alone.add(store);
                    ratios.add(rate / store);
                }
            }
        } finally {
            Files.delete(folder);
        }
        return List.of(
                Figure.reported(forced.name() + ", beside the store", Measured.median(rates), "GB/s"),
                Figure.reported("the store alone, forced", Measured.median(alone), "GB/s"),
                Figure.atLeast(forced.name() + " / the store alone", Measured.median(ratios), "x", LEAST_RATIO));
    }
}
