package io.datainf.client;

/** What {@link SampleWriter#add} does when the writer's buffer is full. */
public enum BufferPolicy {
    /** Waits for room, at most {@link WriterOptions#blockTimeout}, then throws {@link WriterFullException}. */
    BLOCK,
    /** Leaves all samples of the call out and counts them; lambda and scores are then those of the samples that were kept. */
    DROP,
    /** Throws {@link WriterFullException} at once and takes nothing of the call. */
    RAISE
}
