package io.datainf.loadtests.ingest;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** A process that is told things and answers, a line each. */
public final class PeerProcess implements AutoCloseable {

    private final String name;
    private final Process process;
    private final BufferedReader answers;
    private final Writer commands;

    private PeerProcess(String name, ProcessBuilder builder) throws IOException {
        this.name = name;
        builder.redirectError(ProcessBuilder.Redirect.INHERIT);
        this.process = builder.start();
        this.answers = process.inputReader();
        this.commands = process.outputWriter();
    }

    /**
     * Starts a script of {@code loadtests/peers} with the interpreter of property {@code datainf.peers.python}. What it multiplies, it
     * does on one thread: the other processes need the other cores.
     */
    public static PeerProcess python(String script, String... arguments) throws IOException {
        List<String> words = new ArrayList<>();
        words.add(Objects.requireNonNull(System.getProperty("datainf.peers.python"), "datainf.peers.python"));
        words.add(Path.of("loadtests", "peers", script).toString());
        words.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(words);
        builder.environment().putAll(Map.of("OMP_NUM_THREADS", "1", "OPENBLAS_NUM_THREADS", "1"));
        return new PeerProcess(script, builder);
    }

    /** Starts a main class of ours on the class path and with the properties of this process. */
    public static PeerProcess java(Class<?> main, String... arguments) throws IOException {
        List<String> words = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-Dslf4j.internal.verbosity=ERROR",
                "-cp",
                System.getProperty("java.class.path"),
                main.getName()));
        words.addAll(List.of(arguments));
        return new PeerProcess(main.getSimpleName(), new ProcessBuilder(words));
    }

    /** Its process id. */
    public long pid() {
        return process.pid();
    }

    /** Says something. */
    public void tell(String line) throws IOException {
        commands.write(line + "\n");
        commands.flush();
    }

    /** Waits for the next line. */
    public String answer() throws IOException {
        String line = answers.readLine();
        if (line == null) {
            throw new IOException(name + " has ended: see above");
        }
        return line;
    }

    /** Waits for a line that is known. */
    void await(String expected) throws IOException {
        String line = answer();
        if (!line.equals(expected)) {
            throw new IOException("%s says '%s': expected '%s'".formatted(name, line, expected));
        }
    }

    /** Kills the process as kill -9 does. */
    public void kill() {
        process.destroyForcibly();
        process.onExit().join();
    }

    /** Ends the process. */
    @Override
    public void close() {
        process.destroy();
        process.onExit().join();
    }
}
