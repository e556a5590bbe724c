package io.datainf.sidecar.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UnixSocketFileTest {

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"rw-------", "rw-rw----", "rw-rw-rw-"})
    void publish_anyMode_isThatOfTheSocketFromTheFirstMoment(String mode) throws Exception {
        Set<PosixFilePermission> permissions = PosixFilePermissions.fromString(mode);
        Path path = folder.resolve("grpc.sock");
        try (UnixSocketFile file = UnixSocketFile.prepare(path);
                ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(file.hiddenPath()));
            assertThat(path).doesNotExist();
            assertThat(Files.getPosixFilePermissions(file.hiddenPath().getParent()))
                    .isEqualTo(PosixFilePermissions.fromString("rwx------"));

            file.publish(permissions);

            assertThat(Files.getPosixFilePermissions(path)).isEqualTo(permissions);
            assertThat(folder).isDirectoryNotContaining(other -> !other.equals(path));
            try (SocketChannel client = SocketChannel.open(StandardProtocolFamily.UNIX)) {
                assertThat(client.connect(UnixDomainSocketAddress.of(path))).isTrue();
            }
        }
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void close_beforePublish_leavesNothing() throws Exception {
        try (UnixSocketFile file = UnixSocketFile.prepare(folder.resolve("grpc.sock"));
                ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(file.hiddenPath()));
        }
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void prepare_pathTooLong_namesItAndTheLimit() {
        Path path = folder.resolve("x".repeat(107));

        assertThatThrownBy(() -> UnixSocketFile.prepare(path))
                .isInstanceOf(IOException.class)
                .hasMessageContainingAll(path.toString(), "at most 107 bytes");
    }
}
