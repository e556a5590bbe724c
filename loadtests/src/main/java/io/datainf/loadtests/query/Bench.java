package io.datainf.loadtests.query;

import io.datainf.client.DataInfClient;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/** What all measurements of the suite use: one server, connections to it, and gradients. */
final class Bench implements AutoCloseable {

    /** Most clients at a time. */
    static final int MAX_CLIENTS = 32;

    private final ServerProcess server;
    private final RandomGradients gradients = new RandomGradients();
    private final List<DataInfClient> clients = new ArrayList<>();

    /** Connects; the server stays the caller's. */
    Bench(ServerProcess server) {
        this.server = server;
        for (int i = 0; i < MAX_CLIENTS; i++) {
            clients.add(DataInfClient.connect(server.target()));
        }
    }

    ServerProcess server() {
        return server;
    }

    /** A client for one query at a time. */
    DataInfClient client() {
        return clients.getFirst();
    }

    /** Clients on connections of their own. */
    List<DataInfClient> clients(int count) {
        return clients.subList(0, count);
    }

    /** Gradients of {@link #MAX_CLIENTS} validation points, none of which is a sample's. */
    List<float[]> points(StoredRun run) {
        List<float[]> points = new ArrayList<>();
        for (int i = 1; i <= MAX_CLIENTS; i++) {
            points.add(gradients.of(-i, run.dimension()));
        }
        return points;
    }

    /** Stores runs. */
    void store(Collection<StoredRun> runs) throws InterruptedException {
        for (StoredRun run : runs) {
            run.store(client(), gradients);
        }
    }

    /** Deletes runs. */
    void delete(Collection<StoredRun> runs) {
        runs.forEach(run -> client().deleteRun(run.id()));
    }

    @Override
    public void close() {
        clients.forEach(DataInfClient::close);
    }
}
