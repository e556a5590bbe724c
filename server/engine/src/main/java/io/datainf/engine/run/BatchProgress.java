package io.datainf.engine.run;

/** Is told how far a batch has come, for traces. Called on the thread that appends and on the log thread: must not block or throw. */
public interface BatchProgress {

    /** Takes no note. */
    BatchProgress NONE = new BatchProgress() {};

    /** All of it has arrived, and lies where it will be logged from. */
    default void arrived() {}

    /** Its turn has come: it is compared with what the run holds, written and forced, together with others. */
    default void turnCame() {}

    /** It is durable. */
    default void durable() {}
}
