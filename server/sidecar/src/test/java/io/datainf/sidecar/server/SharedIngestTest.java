package io.datainf.sidecar.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import io.datainf.proto.v1.Block;
import io.datainf.proto.v1.BlockLayout;
import io.datainf.proto.v1.CreateRunRequest;
import io.datainf.proto.v1.GetStatisticsRequest;
import io.datainf.proto.v1.IngestRequest;
import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.datainf.proto.v1.Open;
import io.datainf.proto.v1.Opened;
import io.datainf.proto.v1.Run;
import io.datainf.proto.v1.RunServiceGrpc;
import io.datainf.proto.v1.SampleBatch;
import io.datainf.proto.v1.SharedRange;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.BlockingClientCall;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.unix.DomainSocketAddress;
import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Gradients in memory that a writer shares with the real server, beside its Unix socket. */
class SharedIngestTest {

    private static final int WIDTH = 1000;
    private static final long WANTED_BYTES = 4L << 20;
    // Not a multiple of anything.
    private static final long PLACE = 4_099;

    @TempDir
    private Path folder;

    private final EventLoopGroup threads = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
    private Sidecar server;
    private ManagedChannel unix;
    private Run run;

    @BeforeEach
    void start() throws IOException {
        server = Sidecar.start(TestConfig.of(
                folder.resolve("data"),
                TestConfig.listeners(
                        folder,
                        TestConfig.ANY_PORT,
                        TestConfig.ANY_PORT,
                        ServerConfig.Security.NONE,
                        Optional.empty())));
        Path socket = folder.resolve("grpc.sock");
        unix = channel(new DomainSocketAddress(socket.toFile()));
        run = RunServiceGrpc.newBlockingStub(unix)
                .createRun(CreateRunRequest.newBuilder()
                        .setRun(Run.newBuilder()
                                .setRunId("run")
                                .setLayout(BlockLayout.newBuilder()
                                        .addBlocks(Block.newBuilder()
                                                .setName("b")
                                                .setRows(1)
                                                .setColumns(WIDTH))))
                        .build())
                .getRun();
    }

    @AfterEach
    void stop() {
        unix.shutdownNow();
        server.close();
        threads.shutdownGracefully().awaitUninterruptibly();
    }

    private ManagedChannel channel(SocketAddress address) {
        NettyChannelBuilder builder = NettyChannelBuilder.forAddress(address).usePlaintext();
        if (address instanceof DomainSocketAddress) {
            builder.channelType(EpollDomainSocketChannel.class, DomainSocketAddress.class)
                    .eventLoopGroup(threads);
        }
        return builder.build();
    }

    private BlockingClientCall<IngestRequest, IngestResponse> call(ManagedChannel channel) {
        return IngestServiceGrpc.newBlockingV2Stub(channel).ingest();
    }

    private Opened open(BlockingClientCall<IngestRequest, IngestResponse> call, long sharedBytes) throws Exception {
        boolean taken = call.write(IngestRequest.newBuilder()
                .setOpen(Open.newBuilder()
                        .setRunId("run")
                        .setWriterId("w")
                        .setLayoutHash(run.getLayoutHash())
                        .setSharedMemoryBytes(sharedBytes))
                .build());
        assertThat(taken).isTrue();
        return call.read().getOpened();
    }

    private static byte[] ones() {
        ByteBuffer row = ByteBuffer.allocate(WIDTH * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        while (row.hasRemaining()) {
            row.putFloat(1);
        }
        return row.array();
    }

    private static int crc32c(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    private static void put(Opened opened, long position, byte[] bytes) throws IOException {
        Path file = Path.of(opened.getSharedMemory().getPath());
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            assertThat(channel.write(ByteBuffer.wrap(bytes), position)).isEqualTo(bytes.length);
        }
    }

    private static SampleBatch.Builder batch(long seq, long id) {
        return SampleBatch.newBuilder().setBatchSeq(seq).addSampleIds(id);
    }

    private static SampleBatch.Builder shared(long seq, long id, long position) {
        return batch(seq, id)
                .setCrc32C(crc32c(ones()))
                .setSharedGradients(
                        SharedRange.newBuilder().setByteOffset(position).setByteCount((long) WIDTH * Float.BYTES));
    }

    private static void send(BlockingClientCall<IngestRequest, IngestResponse> call, SampleBatch.Builder batch)
            throws Exception {
        assertThat(call.write(IngestRequest.newBuilder().setBatch(batch).build()))
                .isTrue();
    }

    private void assertStored(long samples) {
        var statistics = RunServiceGrpc.newBlockingStub(unix)
                .getStatistics(GetStatisticsRequest.newBuilder().setRunId("run").build());
        assertThat(statistics.getSampleCount()).isEqualTo(samples);
        assertThat(statistics.getBlocks(0).getSquaredNormSum()).isEqualTo(samples * (double) WIDTH);
    }

    @Test
    void gradientsInSharedMemory_areStoredLikeOthers_andTheFileLosesItsName() throws Exception {
        var call = call(unix);
        Opened opened = open(call, WANTED_BYTES);
        put(opened, PLACE, ones());
        send(call, shared(1, 7, PLACE));
        assertThat(call.read().getAck().getDurableBatchSeq()).isEqualTo(1);
        assertThat(Path.of(opened.getSharedMemory().getPath())).doesNotExist();
        byte[] row = ones();
        send(call, batch(2, 8).setCrc32C(crc32c(row)).setGradients(ByteString.copyFrom(row)));
        assertThat(call.read().getAck().getDurableBatchSeq()).isEqualTo(2);
        send(call, shared(3, 9, PLACE));
        assertThat(call.read().getAck().getDurableBatchSeq()).isEqualTo(3);
        call.halfClose();
        assertThat(call.read()).isNull();
        assertStored(3);
    }

    @Test
    void writerThatBeginsWithoutIt_mayUseItLater() throws Exception {
        var call = call(unix);
        Opened opened = open(call, WANTED_BYTES);
        byte[] row = ones();
        send(call, batch(1, 7).setCrc32C(crc32c(row)).setGradients(ByteString.copyFrom(row)));
        assertThat(call.read().getAck().getDurableBatchSeq()).isEqualTo(1);
        put(opened, PLACE, ones());
        send(call, shared(2, 8, PLACE));
        assertThat(call.read().getAck().getDurableBatchSeq()).isEqualTo(2);
        assertStored(2);
    }

    @Test
    void writerThatDoesNotAsk_orComesThroughTcp_getsNone() throws Exception {
        var unasked = call(unix);
        assertThat(open(unasked, 0).hasSharedMemory()).isFalse();
        ManagedChannel tcp = channel(server.grpcAddress());
        try {
            var call = call(tcp);
            assertThat(open(call, WANTED_BYTES).hasSharedMemory()).isFalse();
            send(call, shared(1, 7, PLACE));
            assertEnds(call, "the stream shares no memory");
        } finally {
            tcp.shutdownNow();
        }
    }

    @Test
    void lies_endTheStream_andStoreNothing() throws Exception {
        var outside = call(unix);
        open(outside, WANTED_BYTES);
        send(outside, shared(1, 7, WANTED_BYTES - 1));
        assertEnds(outside, "expected a part of its 4194304 bytes");

        var twice = call(unix);
        put(open(twice, WANTED_BYTES), PLACE, ones());
        send(twice, shared(1, 7, PLACE).setGradients(ByteString.copyFrom(ones())));
        assertEnds(twice, "has gradients and shared_gradients");

        var cut = call(unix);
        Path file = Path.of(open(cut, WANTED_BYTES).getSharedMemory().getPath());
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(PLACE);
        }
        send(cut, shared(1, 7, PLACE));
        assertEnds(cut, "was cut to %d bytes".formatted(PLACE));

        var other = call(unix);
        open(other, WANTED_BYTES);
        send(other, shared(1, 7, PLACE)); // nothing was put there
        Status status = end(other);
        assertThat(status.getCode()).isEqualTo(Status.Code.DATA_LOSS);

        assertStored(0);
    }

    @Test
    void streamThatBreaksOff_freesItsMemory() throws Exception {
        var call = call(unix);
        Path file = Path.of(open(call, WANTED_BYTES).getSharedMemory().getPath());
        assertThat(file).exists();
        call.cancel("the writer is gone", null);
        while (Files.exists(file)) {
            Thread.onSpinWait();
        }
    }

    @Test
    void negativeLength_isRefused() throws Exception {
        var call = call(unix);
        assertThatThrownBy(() -> open(call, -1)).hasMessageContaining("open.shared_memory_bytes is -1");
    }

    private static Status end(BlockingClientCall<IngestRequest, IngestResponse> call) throws Exception {
        try {
            IngestResponse response = call.read();
            throw new AssertionError("expected the stream to end, got " + response);
        } catch (StatusException e) {
            return e.getStatus();
        }
    }

    private static void assertEnds(BlockingClientCall<IngestRequest, IngestResponse> call, String message)
            throws Exception {
        Status status = end(call);
        assertThat(status.getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(status.getDescription()).contains(message);
    }
}
