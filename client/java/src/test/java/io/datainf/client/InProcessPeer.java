package io.datainf.client;

import io.grpc.BindableService;
import io.grpc.Server;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** A gRPC server in this process with a client of it. */
final class InProcessPeer implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final long POLL_NANOS = 1_000_000;

    private final Server server;
    private final DataInfClient client;

    InProcessPeer(BindableService... services) throws IOException {
        String name = UUID.randomUUID().toString();
        InProcessServerBuilder builder = InProcessServerBuilder.forName(name);
        List.of(services).forEach(builder::addService);
        server = builder.build().start();
        client = DataInfClient.using(InProcessChannelBuilder.forName(name).build());
    }

    DataInfClient client() {
        return client;
    }

    /** Waits until a condition holds; fails the test if it does not in a long time. */
    static void await(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not so within " + PATIENCE + ": " + what);
            }
            LockSupport.parkNanos(POLL_NANOS);
        }
    }

    @Override
    public void close() {
        client.close();
        server.shutdownNow();
    }
}
