package io.datainf.engine.store;

import java.io.IOException;
import java.nio.file.Path;

/** Another server holds the data directory. */
public final class DataDirectoryInUseException extends IOException {

    private static final long serialVersionUID = 1L;

    DataDirectoryInUseException(Path directory, String holder) {
        super("data directory %s is in use by %s: stop it or choose another directory".formatted(directory, holder));
    }
}
