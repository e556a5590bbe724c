package io.datainf.engine.store;

import java.nio.file.Path;

/** The eight bytes with which every file begins: u32 magic, u32 format version. */
final class FormatVersion {

    private static final int MAGIC_OFFSET = 0;
    private static final int VERSION_OFFSET = 4;

    private FormatVersion() {}

    static void checkMagic(Path file, int magic, int expected) {
        if (magic != expected) {
            throw new CorruptSegmentException(
                    file, MAGIC_OFFSET, "magic 0x%08x".formatted(expected), "0x%08x".formatted(magic));
        }
    }

    static void check(Path file, int version, int oldestVersion, int newestVersion) {
        if (version < oldestVersion) {
            throw new FormatTooOldException(file, VERSION_OFFSET, oldestVersion, version);
        }
        if (version > newestVersion) {
            throw new FormatTooNewException(file, VERSION_OFFSET, newestVersion, version);
        }
    }
}
