package io.datainf.engine.store;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;

/** The threads that read rows from files, and their buffers. Safe for any number of threads. */
public final class RowReaders implements AutoCloseable {

    /** Bytes that are read at a time; a multiple of any block size of a file system. */
    static final int BUFFER_BYTES = 16 << 20;

    // Enough requests under way to keep a disk busy while pieces are copied to where they belong.
    private static final int THREADS = 4;
    private static final int BUFFER_ALIGNMENT = 1 << 16;

    private final ExecutorService threads = Executors.newFixedThreadPool(
            THREADS, Thread.ofPlatform().daemon().name("datainf-read-", 0).factory());
    private final BlockingQueue<MemorySegment> buffers = new ArrayBlockingQueue<>(THREADS);

    /** Has a thread do something with a buffer of {@link #BUFFER_BYTES}. In the order of the calls. */
    CompletableFuture<Void> run(Consumer<MemorySegment> action) {
        return CompletableFuture.runAsync(
                () -> {
                    MemorySegment buffer = buffers.poll();
                    if (buffer == null) {
                        buffer = Arena.ofAuto().allocate(BUFFER_BYTES, BUFFER_ALIGNMENT);
                    }
                    try {
                        action.accept(buffer);
                    } finally {
                        buffers.add(buffer);
                    }
                },
                threads);
    }

    /** Lets what was begun end. */
    @Override
    public void close() {
        threads.close();
    }
}
