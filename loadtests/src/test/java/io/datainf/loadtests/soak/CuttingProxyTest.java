package io.datainf.loadtests.soak;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class CuttingProxyTest {

    @TempDir
    private Path folder;

    private static Socket connect(CuttingProxy proxy) throws IOException {
        String[] parts = proxy.target().split(":", -1);
        return new Socket(parts[0], Integer.parseInt(parts[1]));
    }

    @Test
    void connection_passesBothWaysUntilItIsCut_andTheNextOneWorks() throws IOException {
        Path path = folder.resolve("socket");
        try (ServerSocketChannel server =
                        ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(UnixDomainSocketAddress.of(path));
                CuttingProxy proxy = new CuttingProxy(path)) {
            for (int round = 0; round < 2; round++) {
                try (Socket client = connect(proxy);
                        SocketChannel taken = server.accept()) {
                    client.getOutputStream().write(7);
                    ByteBuffer buffer = ByteBuffer.allocate(1);
                    taken.read(buffer);
                    assertThat(buffer.get(0)).isEqualTo((byte) 7);
                    taken.write(buffer.flip());
                    assertThat(client.getInputStream().read()).isEqualTo(7);

                    assertThat(proxy.cut()).isEqualTo(1);
                    assertThatThrownBy(() -> client.getInputStream().read()).isInstanceOf(IOException.class);
                    assertThat(taken.read(ByteBuffer.allocate(1))).isEqualTo(-1);
                }
            }
        }
    }

    @Test
    void connection_whileNobodyListens_ends() throws IOException {
        try (CuttingProxy proxy = new CuttingProxy(folder.resolve("nobody"));
                Socket client = connect(proxy)) {
            assertThatThrownBy(() -> client.getInputStream().read()).isInstanceOf(IOException.class);
        }
    }
}
