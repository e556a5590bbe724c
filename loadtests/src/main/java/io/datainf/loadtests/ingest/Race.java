package io.datainf.loadtests.ingest;

import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.Measured;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/** Routes that are measured in turn, round after round, so that what slows the machine down for a while slows down all of them. */
final class Race {

    private final Senders senders;
    private final long bytes;
    private final Map<Route, List<Transfer>> transfers = new LinkedHashMap<>();

    /** Prepares transfers of so many bytes each. */
    Race(Senders senders, long bytes) {
        this.senders = senders;
        this.bytes = bytes;
    }

    /** Enters a route. */
    void enter(Route route) {
        transfers.put(route, new ArrayList<>());
    }

    /** Goes over all routes, first unmeasured and then {@code rounds} times. */
    void run(int warmUpRounds, int rounds) throws IOException {
        for (int round = -warmUpRounds; round < rounds; round++) {
            for (Map.Entry<Route, List<Transfer>> entry : transfers.entrySet()) {
                Transfer transfer = senders.send(entry.getKey(), bytes);
                System.err.printf(
                        "%s%s: %.3f GB/s, CPU %.2f + %.2f s/GB%n",
                        round < 0 ? "(warm-up) " : "",
                        entry.getKey().name(),
                        transfer.gigabytesPerSecond(),
                        transfer.clientSecondsPerGigabyte(),
                        transfer.serverSecondsPerGigabyte());
                if (round >= 0) {
                    entry.getValue().add(transfer);
                }
            }
        }
    }

    /** The median over the rounds of what one of them has. */
    double median(Route route, ToDoubleFunction<Transfer> figure) {
        return Measured.median(of(route).stream().map(figure::applyAsDouble).toList());
    }

    /** The median over the rounds of what one has, divided by what another has in the same round. */
    double ratio(Route route, Route base, ToDoubleFunction<Transfer> figure) {
        List<Transfer> some = of(route);
        List<Transfer> others = of(base);
        return Measured.median(IntStream.range(0, some.size())
                .mapToObj(round -> figure.applyAsDouble(some.get(round)) / figure.applyAsDouble(others.get(round)))
                .toList());
    }

    /** Rate and CPU time of every route. */
    List<Figure> figures() {
        List<Figure> figures = new ArrayList<>();
        for (Route route : transfers.keySet()) {
            figures.add(Figure.reported(route.name(), median(route, Transfer::gigabytesPerSecond), "GB/s"));
            figures.add(Figure.reported(
                    route.name() + ": CPU of the client", median(route, Transfer::clientSecondsPerGigabyte), "s/GB"));
            if (!route.path().equals("memcpy")) {
                figures.add(Figure.reported(
                        route.name() + ": CPU of the server",
                        median(route, Transfer::serverSecondsPerGigabyte),
                        "s/GB"));
            }
        }
        return figures;
    }

    private List<Transfer> of(Route route) {
        List<Transfer> found = transfers.get(route);
        if (found == null) {
            throw new IllegalArgumentException("no route '%s' was entered".formatted(route.name()));
        }
        return found;
    }
}
