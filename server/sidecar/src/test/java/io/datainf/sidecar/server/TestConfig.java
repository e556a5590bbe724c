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
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/** Configurations of small servers. */
final class TestConfig {

    static final InetSocketAddress ANY_PORT = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);

    private static final Set<PosixFilePermission> OWNER = PosixFilePermissions.fromString("rw-------");

    private TestConfig() {}

    /** Everything else at its usual. */
    static ServerConfig of(Path dataDirectory, ServerConfig.Listeners listeners) {
        return new ServerConfig(
                new ServerConfig.Storage(dataDirectory, 64L << 20, Durability.FSYNC, CompactionOptions.DEFAULT),
                listeners,
                1,
                EngineOptions.DEFAULT,
                RpcLimits.DEFAULT,
                QueryLimits.DEFAULT,
                Duration.ofSeconds(5),
                Optional.empty());
    }

    /** With a Unix socket {@code grpc.sock} in the folder, shared memory, and health alone on a port. */
    static ServerConfig.Listeners listeners(
            Path folder,
            InetSocketAddress grpc,
            InetSocketAddress http,
            ServerConfig.Security security,
            Optional<Path> readyFile) {
        return new ServerConfig.Listeners(
                grpc,
                Optional.of(folder.resolve("grpc.sock")),
                OWNER,
                new SharedMemory.Options(Path.of("/dev/shm"), 64L << 20, OWNER),
                http,
                100,
                false,
                Optional.of(ANY_PORT),
                security,
                readyFile);
    }
}
