package io.datainf.engine.store;

import java.nio.file.Path;

/** A file was written by a newer version of the server. */
public final class FormatTooNewException extends StoreFormatException {

    private static final long serialVersionUID = 1L;

    FormatTooNewException(Path file, long offset, int newestVersion, int version) {
        super(
                "has a format that is too new",
                file,
                offset,
                "version %d or older".formatted(newestVersion),
                "version %d".formatted(version));
    }
}
