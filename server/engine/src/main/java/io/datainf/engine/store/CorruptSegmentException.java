package io.datainf.engine.store;

import java.nio.file.Path;

/** A file of a run, a segment or its manifest, is damaged. */
public final class CorruptSegmentException extends StoreFormatException {

    private static final long serialVersionUID = 1L;

    /** Creates the exception. */
    public CorruptSegmentException(Path file, long offset, String expected, String found) {
        super("is corrupt", file, offset, expected, found);
    }
}
