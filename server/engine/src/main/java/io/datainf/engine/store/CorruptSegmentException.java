package io.datainf.engine.store;

import java.io.IOException;
import java.nio.file.Path;

/** A file of a run, a segment or its manifest, is damaged. */
public final class CorruptSegmentException extends StoreFormatException {

    private static final long serialVersionUID = 1L;

    /** Creates the exception. */
    public CorruptSegmentException(Path file, long offset, String expected, String found) {
        this("is corrupt", file, offset, expected, found);
    }

    private CorruptSegmentException(String what, Path file, long offset, String expected, String found) {
        super(what, file, offset, expected, found);
    }

    /** A file that the disk does not give, perhaps only now. */
    static CorruptSegmentException unreadable(Path file, long offset, String expected, IOException cause) {
        CorruptSegmentException unreadable = new CorruptSegmentException(
                "cannot be read", file, offset, expected, String.valueOf(cause.getMessage()));
        unreadable.initCause(cause);
        return unreadable;
    }
}
