package io.datainf.loadtests.soak;

import io.datainf.loadtests.ingest.PeerProcess;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;

/** One writer, over all the processes that it has been, and how far it has come. One thread uses it. */
final class SoakWriter implements AutoCloseable {

    private static final String ACKED = "acked ";
    private static final String DONE = "done ";

    private final int number;
    private final String target;
    private final String runId;
    private final int messageBytes;
    private final boolean java;
    private volatile long acked;
    private volatile boolean expectedToEnd;
    private PeerProcess process;
    private CompletableFuture<Boolean> end;

    SoakWriter(int number, String target, String runId, int messageBytes, boolean java) throws IOException {
        this.number = number;
        this.target = target;
        this.runId = runId;
        this.messageBytes = messageBytes;
        this.java = java;
        this.process = start();
        this.end = listen(process);
    }

    int number() {
        return number;
    }

    /** Its samples below this number are acknowledged. */
    long acked() {
        return acked;
    }

    /** Kills the process and starts another one, which goes on where this one knew that it was. */
    void killAndRestart() throws IOException {
        requireRunning();
        expectedToEnd = true;
        process.kill();
        boolean ignored = end.join();
        process = start();
        end = listen(process);
    }

    /** Throws if the process has ended by itself. */
    void requireRunning() throws IOException {
        if (end.isDone()) {
            throw new IOException("writer %d has given up: see above".formatted(number));
        }
    }

    /** Has the process send what it took, and end. */
    void stop() throws IOException {
        requireRunning();
        expectedToEnd = true;
        process.tell("stop");
        if (!end.join()) {
            throw new IOException("writer %d ended without having sent everything: see above".formatted(number));
        }
    }

    private PeerProcess start() throws IOException {
        expectedToEnd = false;
        String[] arguments = {
            target, runId, Integer.toString(number), Long.toString(acked), Integer.toString(messageBytes)
        };
        return java ? PeerProcess.java(JavaWriter.class, arguments) : PeerProcess.python("soak_writer.py", arguments);
    }

    /** Follows what a process says, on a thread of its own; completes at its end with whether it was done. */
    private CompletableFuture<Boolean> listen(PeerProcess spoken) {
        CompletableFuture<Boolean> done = new CompletableFuture<>();
        Thread.ofVirtual().start(() -> done.complete(follow(spoken)));
        return done;
    }

    private boolean follow(PeerProcess spoken) {
        try {
            while (true) {
                String line = spoken.answer();
                if (line.startsWith(DONE)) {
                    acked = Long.parseLong(line.substring(DONE.length()));
                    return true;
                }
                acked = Long.parseLong(line.substring(ACKED.length()));
            }
        } catch (IOException e) {
            if (!expectedToEnd) {
                System.err.println("loadtests: " + e.getMessage());
            }
            return false;
        }
    }

    @Override
    public void close() {
        expectedToEnd = true;
        process.kill();
    }
}
