package io.datainf.loadtests.ingest;

import com.google.gson.Gson;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** The processes that send. They stay, so that all is warm. */
final class Senders implements AutoCloseable {

    /** Most processes at once; more writers share them. */
    static final int PROCESSES = 4;

    // What a writer hands over at a time, if its rows are shorter.
    private static final int MESSAGE_BYTES = 1 << 20;
    private static final Gson GSON = new Gson();

    private final List<PeerProcess> python = new ArrayList<>();
    private final PeerProcess java;
    private int transferCount;

    Senders() throws IOException {
        for (int i = 0; i < PROCESSES; i++) {
            python.add(PeerProcess.python("sender.py"));
        }
        java = PeerProcess.java(JavaSender.class);
    }

    /** A transfer that has begun. */
    static final class Running {

        private final Route route;
        private final String name;
        private final List<PeerProcess> processes;
        private final List<Long> clients;
        private final double clientCpu;
        private final double serverCpu;
        private final long startNanos;

        private Running(Route route, String name, List<PeerProcess> processes) throws IOException {
            this.route = route;
            this.name = name;
            this.processes = processes;
            this.clients = processes.stream().map(PeerProcess::pid).toList();
            this.clientCpu = ProcessFigures.cpuSeconds(clients);
            this.serverCpu = serverCpu();
            this.startNanos = System.nanoTime();
            for (PeerProcess process : processes) {
                process.tell("go");
            }
        }

        /** Waits for its end, and lets the rows go. */
        Transfer await() throws IOException {
            long bytes = 0;
            for (PeerProcess process : processes) {
                bytes += Long.parseLong(process.answer());
            }
            double seconds = (System.nanoTime() - startNanos) / 1e9;
            Transfer transfer = new Transfer(
                    bytes, seconds, ProcessFigures.cpuSeconds(clients) - clientCpu, serverCpu() - serverCpu);
            for (PeerProcess process : processes) {
                process.await("closed");
            }
            route.taker().drop(name);
            return transfer;
        }

        private double serverCpu() throws IOException {
            // A copy within the sender has nobody else.
            return route.path().equals("memcpy")
                    ? 0
                    : ProcessFigures.cpuSeconds(List.of(route.taker().pid()));
        }
    }

    /** Has everything made ready for a transfer, and begins it. */
    Running begin(Route route, long bytes) throws IOException {
        int count = Math.min(route.writers(), PROCESSES);
        List<PeerProcess> processes =
                route.language() == Route.Language.PYTHON ? python.subList(0, count) : List.of(java);
        int writers = route.writers() / processes.size();
        String name = "rows-%d".formatted(transferCount++);
        route.taker().open(name, route.shape());
        for (int i = 0; i < processes.size(); i++) {
            Command command = new Command(
                    route.path(),
                    route.target(),
                    name,
                    i * writers,
                    writers,
                    route.shape().dtype(),
                    route.shape().elements(),
                    bytes / processes.size(),
                    MESSAGE_BYTES);
            processes.get(i).tell(GSON.toJson(command));
        }
        for (PeerProcess process : processes) {
            process.await("ready");
        }
        return new Running(route, name, processes);
    }

    /** Sends so many bytes. */
    Transfer send(Route route, long bytes) throws IOException {
        return begin(route, bytes).await();
    }

    @Override
    public void close() {
        python.forEach(PeerProcess::close);
        java.close();
    }
}
