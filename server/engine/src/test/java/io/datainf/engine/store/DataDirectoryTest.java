package io.datainf.engine.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DataDirectoryTest {

    @TempDir
    private Path temporary;

    @Test
    void open_heldByThisProcess_isRefusedAndTheHolderKeepsTheLock() throws IOException {
        Path root = temporary.resolve("data");
        try (DataDirectory held = DataDirectory.open(root, StoreFiles.SYSTEM)) {
            for (int attempt = 0; attempt < 2; attempt++) {
                assertThatThrownBy(() -> DataDirectory.open(temporary.resolve("data/../data"), StoreFiles.SYSTEM))
                        .isInstanceOf(DataDirectoryInUseException.class)
                        .hasMessageContaining(root.toString());
            }
            assertThat(Files.readString(root.resolve("lock")))
                    .isEqualTo(Long.toString(ProcessHandle.current().pid()));
            assertThat(held.runNames()).isEmpty();
        }
        DataDirectory.open(root, StoreFiles.SYSTEM).close();
    }

    @Test
    void open_notADirectory_saysSo() throws IOException {
        Path file = Files.writeString(temporary.resolve("file"), "");
        assertThatThrownBy(() -> DataDirectory.open(file, StoreFiles.SYSTEM))
                .isInstanceOf(FileAlreadyExistsException.class);
    }

    @Test
    void createRun_readBack_isEqual() throws IOException {
        try (DataDirectory directory = DataDirectory.open(temporary, StoreFiles.SYSTEM)) {
            directory.createRun(LogFixture.MANIFEST);
            assertThat(directory.runNames()).containsExactly("run");
            assertThat(directory.readManifest("run")).isEqualTo(LogFixture.MANIFEST);
        }
    }

    @Test
    void deleteRun_leavesNothing() throws IOException {
        try (DataDirectory directory = DataDirectory.open(temporary, StoreFiles.SYSTEM)) {
            directory.createRun(LogFixture.MANIFEST);
            directory.deleteRun("run");
            assertThat(directory.runNames()).isEmpty();
            assertThat(temporary.resolve("tmp")).isEmptyDirectory();
            directory.createRun(LogFixture.MANIFEST);
            assertThat(directory.runNames()).containsExactly("run");
        }
    }

    @Test
    void open_removesWhatCrashesLeftBehind() throws IOException {
        DataDirectory.open(temporary, StoreFiles.SYSTEM).close();
        Path leftover = Files.createDirectories(temporary.resolve("tmp/x/y"));
        Files.writeString(leftover.resolve("file"), "left over");
        DataDirectory.open(temporary, StoreFiles.SYSTEM).close();
        assertThat(temporary.resolve("tmp")).isEmptyDirectory();
    }

    @Test
    void readManifest_missingOrOfAnotherRun_isRefused() throws IOException {
        try (DataDirectory directory = DataDirectory.open(temporary, StoreFiles.SYSTEM)) {
            Files.createDirectory(directory.runDirectory("empty"));
            assertThatThrownBy(() -> directory.readManifest("empty"))
                    .isInstanceOf(CorruptSegmentException.class)
                    .hasMessageContaining("no file");
            directory.createRun(LogFixture.MANIFEST);
            Files.move(directory.runDirectory("run"), directory.runDirectory("renamed"));
            assertThatThrownBy(() -> directory.readManifest("renamed"))
                    .isInstanceOf(CorruptSegmentException.class)
                    .hasMessageContaining("expected run 'renamed', found run 'run'");
        }
    }
}
