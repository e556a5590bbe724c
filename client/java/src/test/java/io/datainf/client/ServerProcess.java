package io.datainf.client;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The real server as a process of its own, on a Unix socket and a free port of the loopback interface. */
final class ServerProcess implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Pattern GRPC = Pattern.compile("\"grpc\":\\s*\"([^\"]+)\"");

    private final Path folder;
    private Process process;

    ServerProcess(Path folder) throws IOException {
        this.folder = folder;
        this.process = launch();
    }

    /** Where clients connect; the same after a restart. */
    String unixTarget() {
        return "unix:" + folder.resolve("grpc.sock");
    }

    /** Where clients connect; another one after a restart. */
    String tcpTarget() throws IOException {
        Matcher matcher = GRPC.matcher(Files.readString(readyFile()));
        if (!matcher.find()) {
            throw new IOException("no grpc in " + Files.readString(readyFile()));
        }
        return matcher.group(1);
    }

    /** kill -9. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** kill -9 if it runs, and up again on the same data. */
    void killAndRestart() throws IOException, InterruptedException {
        kill();
        process = launch();
    }

    /** SIGSTOP: connections stay, and nobody answers. */
    void pause() throws IOException, InterruptedException {
        signal("STOP");
    }

    /** SIGCONT. */
    void resume() throws IOException, InterruptedException {
        signal("CONT");
    }

    private void signal(String name) throws IOException, InterruptedException {
        int code = new ProcessBuilder("kill", "-" + name, Long.toString(process.pid()))
                .inheritIO()
                .start()
                .waitFor();
        if (code != 0) {
            throw new IOException("kill -" + name + " ended with " + code);
        }
    }

    private Path readyFile() {
        return folder.resolve("ready.json");
    }

    private Process launch() throws IOException {
        String launcher = Objects.requireNonNull(System.getProperty("datainf.server"), "property datainf.server");
        Files.deleteIfExists(readyFile());
        Process started = new ProcessBuilder(
                        launcher,
                        "serve",
                        "--data-dir=" + folder.resolve("data"),
                        "--listen=127.0.0.1:0",
                        "--http=127.0.0.1:0",
                        "--unix-socket=" + folder.resolve("grpc.sock"),
                        "--ready-file=" + readyFile())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(
                        folder.resolve("server.log").toFile()))
                .start();
        try {
            InProcessPeer.await("the server is ready or gone", () -> Files.exists(readyFile()) || !started.isAlive());
        } catch (AssertionError e) {
            started.destroyForcibly();
            throw e;
        }
        if (!started.isAlive()) {
            throw new IOException("the server did not start:\n" + Files.readString(folder.resolve("server.log")));
        }
        return started;
    }

    /** SIGTERM. */
    @Override
    public void close() throws IOException {
        process.destroy();
        try {
            if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new IOException("the server did not stop within " + PATIENCE);
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
