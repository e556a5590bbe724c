package io.datainf.loadtests.ingest;

import com.google.gson.Gson;
import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.Measured;
import java.io.IOException;
import java.util.List;
import java.util.stream.IntStream;

/** What a step of the quickstart's trainer takes while its gradients are sent, beside what it takes otherwise. */
final class TrainerFigures {

    private static final double MOST_RATIO = 1.05;

    private TrainerFigures() {}

    /** What {@code loadtests/peers/trainer.py} prints, where it is explained. */
    private record Result(
            List<Double> detached, List<Double> attached, List<Double> behind, double megabytesPerSecond) {}

    static List<Figure> measure(String target, int steps) throws IOException {
        Result result;
        try (PeerProcess trainer = PeerProcess.python("trainer.py", target, Integer.toString(steps))) {
            result = new Gson().fromJson(trainer.answer(), Result.class);
        }
        double ratio = Measured.median(IntStream.range(0, result.attached().size())
                .mapToObj(block ->
                        result.attached().get(block) / result.detached().get(block))
                .toList());
        return List.of(
                Figure.reported("trainer's step, no writer", Measured.median(result.detached()), "ms"),
                Figure.reported("trainer's step, with a writer", Measured.median(result.attached()), "ms"),
                Figure.atMost("trainer's step, with a writer / without", ratio, "x", MOST_RATIO),
                Figure.reported("gradients of the trainer", result.megabytesPerSecond(), "MB/s"),
                Figure.reported(
                        "trainer, wait for the last acks / time of 100 steps", Measured.median(result.behind()), "x"));
    }
}
