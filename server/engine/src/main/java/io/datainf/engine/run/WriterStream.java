package io.datainf.engine.run;

/**
 * Which of the streams of one writer this is, so that one that was given up and arrives late does not supersede its successor.
 *
 * @param instance the writer as one object of one process; 0 if it does not say
 * @param number greater with each stream of that instance
 */
public record WriterStream(long instance, long number) {

    /** Supersedes whatever is open. */
    public static final WriterStream NEWEST = new WriterStream(0, 0);

    /** Whether the other one is a later stream of the same instance. */
    boolean precedes(WriterStream other) {
        return instance != 0 && instance == other.instance && Long.compareUnsigned(number, other.number) < 0;
    }
}
