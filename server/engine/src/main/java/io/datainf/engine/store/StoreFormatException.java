package io.datainf.engine.store;

import java.nio.file.Path;

/** A file of the data directory cannot be read as what it should be. Unchecked, because no caller can mend it. */
public abstract sealed class StoreFormatException extends RuntimeException
        permits CorruptSegmentException, ForeignFileException, FormatTooOldException, FormatTooNewException {

    private static final long serialVersionUID = 1L;

    private final transient Path file;
    private final long offset;

    StoreFormatException(String what, Path file, long offset, String expected, String found) {
        super("%s %s at byte %d: expected %s, found %s".formatted(file, what, offset, expected, found));
        this.file = file;
        this.offset = offset;
    }

    /** The file. */
    public Path file() {
        return file;
    }

    /** Where in the file, in bytes. */
    public long offset() {
        return offset;
    }
}
