package io.datainf.engine.store;

/** When a batch counts as durable. */
public enum Durability {
    /** Once the disk has confirmed it: it survives a loss of power. */
    FSYNC,
    /** Once the operating system has it: it survives the end of the process, not that of the machine. */
    OS,
    /** At once: nothing is written, samples are in memory only and gone when the process ends. */
    NONE
}
