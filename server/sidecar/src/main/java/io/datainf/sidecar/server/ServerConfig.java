package io.datainf.sidecar.server;

import io.datainf.engine.kernel.EngineOptions;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.sidecar.query.QueryLimits;
import io.datainf.sidecar.rpc.RpcLimits;
import io.datainf.sidecar.rpc.SharedMemory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/**
 * Everything that can be set about a server, checked.
 *
 * @param storage where and how runs are stored
 * @param listeners where the server listens
 * @param threadCount threads that compute; at least 1
 * @param engine what computes
 * @param rpcLimits what clients may send
 * @param queryLimits what queries may take
 * @param drainTimeout how long running work may take after SIGTERM
 */
record ServerConfig(
        Storage storage,
        Listeners listeners,
        int threadCount,
        EngineOptions engine,
        RpcLimits rpcLimits,
        QueryLimits queryLimits,
        Duration drainTimeout) {

    ServerConfig {
        if (threadCount < 1) {
            throw new IllegalArgumentException("threads is %d: expected at least 1".formatted(threadCount));
        }
        if (drainTimeout.isNegative()) {
            throw new IllegalArgumentException("drain-timeout is %s: expected 0 or more".formatted(drainTimeout));
        }
    }

    /**
     * Where and how runs are stored.
     *
     * @param dataDirectory where runs are stored; created when missing
     * @param memoryBudgetBytes most memory that rows may take
     * @param durability when a batch counts as durable
     * @param compaction when dead rows leave the files
     */
    record Storage(Path dataDirectory, long memoryBudgetBytes, Durability durability, CompactionOptions compaction) {

        Storage {
            if (memoryBudgetBytes < 1) {
                throw new IllegalArgumentException(
                        "memory-budget is %d bytes: expected at least 1".formatted(memoryBudgetBytes));
            }
        }
    }

    /**
     * Where the server listens.
     *
     * @param grpc TCP address of gRPC; port 0 picks a free one
     * @param unixSocket path of a Unix socket for gRPC
     * @param unixSocketMode who may do what with that socket; writing is connecting
     * @param sharedMemory what writers on that socket may share
     * @param http TCP address for operators; port 0 picks a free one
     * @param insecure other hosts may connect, without encryption or authentication
     * @param readyFile file that gets the addresses once the server serves
     */
    record Listeners(
            InetSocketAddress grpc,
            Optional<Path> unixSocket,
            Set<PosixFilePermission> unixSocketMode,
            SharedMemory.Options sharedMemory,
            InetSocketAddress http,
            boolean insecure,
            Optional<Path> readyFile) {

        Listeners {
            unixSocketMode = Set.copyOf(unixSocketMode);
            requireLoopback("listen", grpc, insecure);
            requireLoopback("http", http, insecure);
        }

        private static void requireLoopback(String option, InetSocketAddress address, boolean insecure) {
            InetAddress host = address.getAddress();
            if (host == null) {
                throw new IllegalArgumentException(
                        "%s names host '%s', which cannot be resolved".formatted(option, address.getHostString()));
            }
            if (!insecure && !host.isLoopbackAddress()) {
                throw new IllegalArgumentException(("%s is %s: only loopback addresses are safe, because there is no"
                                + " encryption and no authentication yet; say --insecure to listen there all the same")
                        .formatted(option, address.getHostString()));
            }
        }
    }
}
