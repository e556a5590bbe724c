package io.datainf.engine.store;

import java.nio.file.Path;

/** A file was written by a version of the server that this one no longer reads. */
public final class FormatTooOldException extends StoreFormatException {

    private static final long serialVersionUID = 1L;

    FormatTooOldException(Path file, long offset, int oldestVersion, int version) {
        super(
                "has a format that is too old",
                file,
                offset,
                "version %d or newer".formatted(oldestVersion),
                "version %d".formatted(version));
    }
}
