package io.datainf.loadtests.kernels;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** The process in which numpy, torch and faiss do the same work: {@code loadtests/peers/peers.py}, which says what it obeys. */
final class Peers implements AutoCloseable {

    private static final Path SCRIPT = Path.of("loadtests", "peers", "peers.py");

    private final Process process;
    private final BufferedReader answers;
    private final Writer commands;

    private Peers(Process process) {
        this.process = process;
        this.answers = process.inputReader();
        this.commands = process.outputWriter();
    }

    /** Starts them with the interpreter of property {@code datainf.peers.python}; empty if there is none. */
    static Optional<Peers> start(int threadCount) throws IOException {
        String python = System.getProperty("datainf.peers.python", "");
        if (python.isEmpty()) {
            return Optional.empty();
        }
        ProcessBuilder builder = new ProcessBuilder(python, SCRIPT.toString());
        builder.environment().put("OMP_NUM_THREADS", Integer.toString(threadCount));
        builder.redirectError(ProcessBuilder.Redirect.INHERIT);
        return Optional.of(new Peers(builder.start()));
    }

    /** Has gradients of a workload made. */
    void prepare(Workload workload) {
        String widths = IntStream.range(0, workload.layout().blockCount())
                .mapToObj(l -> Integer.toString(workload.layout().width(l)))
                .collect(Collectors.joining(","));
        ask("shape %d %s".formatted(workload.sampleCount(), widths));
    }

    /** Whether a library can be imported. */
    boolean has(String library) {
        return "yes".equals(ask("has " + library));
    }

    /** Runs a peer once: the seconds it took, or what a peer that measures something else returns. */
    double run(String peer, int queryCount) {
        return Double.parseDouble(ask("%s %d".formatted(peer, queryCount)));
    }

    private String ask(String command) {
        try {
            commands.write(command + "\n");
            commands.flush();
            String answer = answers.readLine();
            if (answer == null) {
                throw new IllegalStateException("the peers ended at '%s'".formatted(command));
            }
            return answer;
        } catch (IOException e) {
            throw new UncheckedIOException("the peers cannot be asked '%s'".formatted(command), e);
        }
    }

    /** Ends the process. */
    @Override
    public void close() {
        process.destroy();
    }
}
