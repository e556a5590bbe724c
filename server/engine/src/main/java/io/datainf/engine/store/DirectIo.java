package io.datainf.engine.store;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Files that are read or written past the page cache, in whole blocks of {@link #BLOCK_BYTES} from memory aligned to them. */
final class DirectIo {

    /** What position, length and memory of a transfer must be multiples of. */
    static final long BLOCK_BYTES = 4096;

    private static final Logger logger = LoggerFactory.getLogger(DirectIo.class);
    private static final @Nullable OpenOption OPTION = option();

    private DirectIo() {}

    /** Opens an existing file; null where the JDK or the file system cannot do so, or not in such blocks. */
    static @Nullable FileChannel open(Path file, OpenOption access) {
        try {
            return OPTION == null || BLOCK_BYTES % Files.getFileStore(file).getBlockSize() != 0
                    ? null
                    : FileChannel.open(file, access, OPTION);
        } catch (IOException | UnsupportedOperationException e) {
            logger.debug("{} goes through the page cache", file, e);
            return null;
        }
    }

    /** The JDK's option for it, by name because it is none of the standard ones; null in a JDK without. */
    private static @Nullable OpenOption option() {
        try {
            return Stream.of(
                            Class.forName("com.sun.nio.file.ExtendedOpenOption").getEnumConstants())
                    .filter(option -> option.toString().equals("DIRECT"))
                    .map(OpenOption.class::cast)
                    .findFirst()
                    .orElse(null);
        } catch (ClassNotFoundException e) {
            return null;
        }
    }
}
