package io.datainf.sidecar.server;

import io.datainf.engine.kernel.EngineOptions;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.sidecar.query.QueryLimits;
import io.datainf.sidecar.rpc.RpcLimits;
import io.datainf.sidecar.rpc.SharedMemory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
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
 * @param tracing where traces go; empty: nowhere
 */
record ServerConfig(
        Storage storage,
        Listeners listeners,
        int threadCount,
        EngineOptions engine,
        RpcLimits rpcLimits,
        QueryLimits queryLimits,
        Duration drainTimeout,
        Optional<Tracing> tracing) {

    ServerConfig {
        if (threadCount < 1) {
            throw new IllegalArgumentException("threads is %d: expected at least 1".formatted(threadCount));
        }
        if (drainTimeout.isNegative()) {
            throw new IllegalArgumentException("drain-timeout is %s: expected 0 or more".formatted(drainTimeout));
        }
    }

    /**
     * Where traces go.
     *
     * @param endpoint of a collector that takes OTLP over HTTP
     * @param sampling share of the traces that begin here, 0 to 1
     */
    record Tracing(URI endpoint, double sampling) {

        Tracing {
            String scheme = endpoint.getScheme();
            if (endpoint.getHost() == null || !("http".equals(scheme) || "https".equals(scheme))) {
                throw new IllegalArgumentException(
                        "otlp-endpoint is '%s': expected http://HOST:PORT or https://HOST:PORT".formatted(endpoint));
            }
            if (!(sampling >= 0 && sampling <= 1)) {
                throw new IllegalArgumentException("trace-sampling is %s: expected 0 to 1".formatted(sampling));
            }
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
     * @param maxConnections of gRPC that may be open, over all addresses; at least 1
     * @param reflection whether the gRPC services describe themselves beyond loopback, too
     * @param health TCP address of gRPC health alone, for everybody, in plain text; empty: none
     * @param security what stands before the TCP addresses
     * @param readyFile file that gets the addresses once the server serves
     */
    record Listeners(
            InetSocketAddress grpc,
            Optional<Path> unixSocket,
            Set<PosixFilePermission> unixSocketMode,
            SharedMemory.Options sharedMemory,
            InetSocketAddress http,
            int maxConnections,
            boolean reflection,
            Optional<InetSocketAddress> health,
            Security security,
            Optional<Path> readyFile) {

        Listeners {
            unixSocketMode = Set.copyOf(unixSocketMode);
            if (maxConnections < 1) {
                throw new IllegalArgumentException(
                        "max-connections is %d: expected at least 1".formatted(maxConnections));
            }
            requireSafe("listen", grpc, security);
            requireSafe("http", http, security);
            health.ifPresent(address -> requireResolved("health", address));
        }

        private static void requireSafe(String option, InetSocketAddress address, Security security) {
            InetAddress host = requireResolved(option, address);
            if (!security.suffices() && !host.isLoopbackAddress()) {
                throw new IllegalArgumentException(("%s is %s: beyond loopback, expected --tls-cert and --tls-key, and"
                                + " --tokens or --tls-client-ca; or --insecure, to let everybody in there all the same")
                        .formatted(option, address.getHostString()));
            }
        }

        private static InetAddress requireResolved(String option, InetSocketAddress address) {
            InetAddress host = address.getAddress();
            if (host == null) {
                throw new IllegalArgumentException(
                        "%s names host '%s', which cannot be resolved".formatted(option, address.getHostString()));
            }
            return host;
        }
    }

    /**
     * Who may connect over TCP, and use what.
     *
     * @param tls certificates; empty: plain text
     * @param tokens file of tokens, one of which every call then needs; empty: none
     * @param insecure other hosts may connect whatever the rest says
     */
    record Security(Optional<TlsFiles> tls, Optional<Path> tokens, boolean insecure) {

        /** For loopback. */
        static final Security NONE = new Security(Optional.empty(), Optional.empty(), false);

        /** Whether other hosts may be let in: nobody overhears, and strangers are turned away. */
        boolean suffices() {
            boolean authenticated = tokens.isPresent()
                    || tls.flatMap(TlsFiles::clientAuthorities).isPresent();
            return insecure || (tls.isPresent() && authenticated);
        }
    }

    /**
     * PEM files.
     *
     * @param certificate the server's, and those that lead to its authority
     * @param key its key, PKCS#8, unencrypted
     * @param clientAuthorities whose certificates clients must have; empty: they need none
     */
    record TlsFiles(Path certificate, Path key, Optional<Path> clientAuthorities) {}
}
