package io.datainf.loadtests.kernels;

import io.datainf.loadtests.report.Measured;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;

/** Things that are timed in turn, round after round, so that what slows the machine down for a while slows down all of them. */
final class Contest {

    private final Map<String, Contestant> contestants = new LinkedHashMap<>();

    private record Contestant(Callable<Double> timed, List<Double> seconds) {}

    /** Enters something that times itself. */
    void enterTimed(String name, Callable<Double> timed) {
        contestants.put(name, new Contestant(timed, new ArrayList<>()));
    }

    /** Enters something to time. */
    void enter(String name, Task task) {
        enterTimed(name, () -> {
            long start = System.nanoTime();
            task.run();
            return (System.nanoTime() - start) * 1e-9;
        });
    }

    /** What is timed. */
    @FunctionalInterface
    interface Task {

        void run() throws Exception;
    }

    /** Runs everything once unmeasured and then {@code rounds} times. */
    void run(int rounds) throws Exception {
        for (int round = -1; round < rounds; round++) {
            for (Contestant contestant : contestants.values()) {
                double seconds = contestant.timed().call();
                if (round >= 0) {
                    contestant.seconds().add(seconds);
                }
            }
        }
    }

    boolean has(String name) {
        return contestants.containsKey(name);
    }

    /** Median time, seconds. */
    double seconds(String name) {
        return Measured.median(times(name));
    }

    /** Median over rounds of the time of one over the time of another. */
    double ratio(String name, String base) {
        List<Double> times = times(name);
        List<Double> baseTimes = times(base);
        return Measured.median(IntStream.range(0, times.size())
                .mapToObj(round -> times.get(round) / baseTimes.get(round))
                .toList());
    }

    private List<Double> times(String name) {
        Contestant contestant = contestants.get(name);
        if (contestant == null) {
            throw new IllegalArgumentException(
                    "no contestant '%s': expected one of %s".formatted(name, contestants.keySet()));
        }
        return contestant.seconds();
    }
}
