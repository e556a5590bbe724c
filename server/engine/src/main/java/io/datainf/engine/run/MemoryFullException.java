package io.datainf.engine.run;

/** A batch finds no memory for its rows, and nothing is stored in files. */
public final class MemoryFullException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    MemoryFullException(long neededBytes, long limitBytes) {
        super(
                ("the batch needs %d bytes of memory, which are not left of the %d that all runs together may take, and nothing"
                                + " is kept on disk: delete runs or samples, or start the server with more")
                        .formatted(neededBytes, limitBytes));
    }
}
