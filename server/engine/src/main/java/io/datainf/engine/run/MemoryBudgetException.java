package io.datainf.engine.run;

/** The rows would not fit into the memory budget. */
public final class MemoryBudgetException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** Creates the exception. */
    public MemoryBudgetException(long requestedBytes, long budgetBytes) {
        super("memory budget of %d bytes is full: %d more bytes were needed".formatted(budgetBytes, requestedBytes));
    }
}
