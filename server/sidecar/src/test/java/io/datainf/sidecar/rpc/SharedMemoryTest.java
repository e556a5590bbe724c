package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.datainf.sidecar.ingest.GradientBytes;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SharedMemoryTest {

    private static final long MIB = 1L << 20;
    private static final long LENGTH = 4 * MIB;
    private static final Set<PosixFilePermission> MODE = PosixFilePermissions.fromString("rw-rw----");

    @TempDir
    private Path dataDirectory;

    private Path folder;
    private SharedMemory memory;

    @BeforeEach
    void open() throws IOException {
        folder = Files.createTempDirectory(Path.of("/dev/shm"), "datainf-test-");
        memory = open(9 * MIB);
    }

    @AfterEach
    void removeFolder() throws IOException {
        for (Path file : files()) {
            Files.delete(file);
        }
        Files.delete(folder);
    }

    private SharedMemory open(long limitBytes) throws IOException {
        return SharedMemory.open(new SharedMemory.Options(folder, limitBytes, MODE), dataDirectory);
    }

    private List<Path> files() throws IOException {
        try (var files = Files.list(folder)) {
            return files.toList();
        }
    }

    private static void write(SharedRegion region, long position, byte... bytes) throws IOException {
        try (FileChannel file = FileChannel.open(region.path(), StandardOpenOption.WRITE)) {
            assertThat(file.write(ByteBuffer.wrap(bytes), position)).isEqualTo(bytes.length);
        }
    }

    private static byte[] read(GradientBytes gradients) {
        byte[] bytes = new byte[gradients.byteCount()];
        gradients.read(MemorySegment.ofArray(bytes));
        return bytes;
    }

    @Test
    void share_makesAFileOfThatLengthAndMode_thatBeginsWithItsToken() throws IOException {
        try (SharedRegion region = memory.share(LENGTH).orElseThrow()) {
            assertThat(files()).containsExactly(region.path());
            assertThat(Files.size(region.path())).isEqualTo(region.byteCount()).isEqualTo(LENGTH);
            assertThat(Files.getPosixFilePermissions(region.path())).isEqualTo(MODE);
            assertThat(Arrays.copyOf(Files.readAllBytes(region.path()), 16)).isEqualTo(region.token());
            assertThat(memory.usedBytes()).isEqualTo(LENGTH);
        }
        assertThat(files()).isEmpty();
        assertThat(memory.usedBytes()).isZero();
    }

    @Test
    void share_givesWhatIsLeft_andNothingIfThatIsLittle() {
        SharedRegion first = memory.share(LENGTH).orElseThrow();
        SharedRegion second = memory.share(100 * MIB).orElseThrow();
        assertThat(second.byteCount()).isEqualTo(5 * MIB);
        assertThat(memory.share(LENGTH)).isEmpty();
        second.close();
        assertThat(memory.share(MIB)).isEmpty();
        SharedRegion third = memory.share(LENGTH).orElseThrow();
        first.close();
        third.close();
    }

    @Test
    void gradients_areWhatTheWriterPutThere_andTheNameIsGone() throws IOException {
        try (SharedRegion region = memory.share(LENGTH).orElseThrow()) {
            write(region, LENGTH - 3, (byte) 1, (byte) 2, (byte) 3);
            GradientBytes gradients = region.gradients(LENGTH - 3, 3);
            assertThat(files()).isEmpty();
            byte[] first = new byte[1];
            gradients.read(MemorySegment.ofArray(first));
            assertThat(first).containsExactly(1);
            assertThat(read(gradients.keep())).containsExactly(2, 3);
        }
    }

    @ParameterizedTest
    @CsvSource({"-1, 1", "0, 0", "0, -1", "0, 4194305", "4194304, 1", "9223372036854775807, 1", "1, 9223372036854775807"
    })
    void gradients_outsideTheMemory_areRefused(long byteOffset, long byteCount) {
        try (SharedRegion region = memory.share(LENGTH).orElseThrow()) {
            assertThatThrownBy(() -> region.gradients(byteOffset, byteCount))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("expected a part of its 4194304 bytes");
        }
    }

    @Test
    void fileThatTheWriterCutOff_isRefused() throws IOException {
        try (SharedRegion region = memory.share(LENGTH).orElseThrow()) {
            try (FileChannel file = FileChannel.open(region.path(), StandardOpenOption.WRITE)) {
                file.truncate(MIB);
            }
            GradientBytes gradients = region.gradients(2 * MIB, 8);
            assertThatThrownBy(() -> read(gradients))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("was cut to 1048576 bytes: expected 4194304");
        }
    }

    @Test
    void closedMemory_isNotRead() {
        SharedRegion region = memory.share(LENGTH).orElseThrow();
        GradientBytes gradients = region.gradients(16, 8);
        region.close();
        assertThatThrownBy(() -> read(gradients)).hasMessageContaining("was closed");
        assertThatThrownBy(() -> region.gradients(16, 8)).hasMessageContaining("no shared memory any more");
        region.close();
        assertThat(memory.usedBytes()).isZero();
    }

    @Test
    void open_removesWhatAKilledServerOfTheDataDirectoryLeft_andNothingElse() throws IOException {
        Path other = Files.createFile(folder.resolve("other"));
        SharedRegion left = memory.share(LENGTH).orElseThrow();
        assertThat(files()).contains(left.path());
        SharedMemory next = open(9 * MIB);
        assertThat(files()).containsExactly(other);
        assertThat(next.usedBytes()).isZero();
        left.close();
    }

    @Test
    void folderOnADisk_isRefused(@TempDir Path disk) throws IOException {
        assumeFalse(Files.getFileStore(disk).type().equals("tmpfs"));
        assertThatThrownBy(() -> SharedMemory.open(new SharedMemory.Options(disk, MIB, MODE), dataDirectory))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("expected one on tmpfs");
    }
}
