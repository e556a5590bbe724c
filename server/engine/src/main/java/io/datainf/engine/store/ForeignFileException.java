package io.datainf.engine.store;

import java.nio.file.Path;

/** A file is whole, and belongs to another run or another place in this one. */
public final class ForeignFileException extends StoreFormatException {

    private static final long serialVersionUID = 1L;

    ForeignFileException(Path file, long offset, String expected, String found) {
        super("does not belong here", file, offset, expected, found);
    }
}
