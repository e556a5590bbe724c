package io.datainf.loadtests.query;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** The distribution as a process of its own, with its data in a temporary folder, which goes with it. */
public final class ServerProcess implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final Duration STEP = Duration.ofMillis(10);
    private static final String HEAP = "jvm_memory_used_bytes{area=\"heap\"";
    // Not with the data: it is what is looked for when a suite has failed. loadtests/run begins it anew.
    private static final Path LOG = Path.of("loadtests/target/servers.log");

    private final Path folder;
    private final ProcessBuilder builder;
    private final Thread killer;
    private final HttpClient http = HttpClient.newHttpClient();
    private volatile Process process;
    private JsonObject ready = new JsonObject();

    private ServerProcess(Path folder, ProcessBuilder builder) throws IOException {
        this.folder = folder;
        this.builder = builder;
        this.process = builder.start();
        // For Ctrl-C, which ends the server too, but not its files.
        this.killer = new Thread(() -> {
            process.destroyForcibly();
            process.onExit().join();
            delete(folder);
        });
        Runtime.getRuntime().addShutdownHook(killer);
    }

    /**
     * Starts the server and waits until it serves and its kernels are warm.
     *
     * @param launcher {@code bin/datainf-server} of the distribution
     * @param options of {@code serve}, beside those that say where
     */
    public static ServerProcess start(Path launcher, List<String> options) throws IOException, InterruptedException {
        Path folder = Files.createTempDirectory("datainf");
        ProcessBuilder builder = new ProcessBuilder(
                launcher.toString(),
                "serve",
                "--data-dir=" + folder.resolve("data"),
                "--listen=127.0.0.1:0",
                "--http=127.0.0.1:0",
                "--unix-socket=" + folder.resolve("grpc"),
                "--ready-file=" + readyFile(folder));
        builder.command().addAll(options);
        builder.redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.appendTo(LOG.toFile()));
        ServerProcess server = new ServerProcess(folder, builder);
        server.awaitReady();
        while (server.metric("datainf_kernels_warm") == 0) {
            TimeUnit.NANOSECONDS.sleep(STEP.toNanos());
        }
        return server;
    }

    /** Kills the server, starts it again on the same files, and returns once it serves, warm or not. */
    public void killAndRestart() throws IOException, InterruptedException {
        process.destroyForcibly();
        process.onExit().join();
        Files.delete(readyFile(folder));
        process = builder.start();
        awaitReady();
    }

    /** Stops the server as SIGTERM does, starts it again once it has ended, and returns once it serves, warm or not. */
    public void stopAndRestart() throws IOException, InterruptedException {
        process.destroy();
        process.onExit().join();
        process = builder.start();
        awaitReady();
    }

    /** Stops the server as SIGSTOP does, and lets it go on after a time. */
    public void pause(Duration time) throws IOException, InterruptedException {
        signal("STOP");
        TimeUnit.NANOSECONDS.sleep(time.toNanos());
        signal("CONT");
    }

    private void signal(String name) throws IOException, InterruptedException {
        int status = new ProcessBuilder("kill", "-" + name, Long.toString(pid()))
                .start()
                .waitFor();
        if (status != 0) {
            throw new IOException("kill -%s %d ended with %d".formatted(name, pid(), status));
        }
    }

    private void awaitReady() throws IOException, InterruptedException {
        Path file = readyFile(folder);
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!Files.exists(file)) {
            if (process.waitFor(STEP.toMillis(), TimeUnit.MILLISECONDS) || System.nanoTime() > deadline) {
                throw new IOException("the server is not ready after %s: see %s".formatted(PATIENCE, LOG));
            }
        }
        ready = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    }

    private static Path readyFile(Path folder) {
        return folder.resolve("ready.json");
    }

    /** Where its data lies. */
    public Path dataDirectory() {
        return folder.resolve("data");
    }

    /** Where clients connect. */
    public String target() {
        return "unix:" + unixSocket();
    }

    /** The socket of that. */
    public Path unixSocket() {
        return folder.resolve("grpc");
    }

    /** Where clients connect over TCP. */
    public String tcpTarget() {
        return ready.get("grpc").getAsString();
    }

    /** Most bytes of memory that the process has had resident so far, page cache not counted. */
    double peakResidentBytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/%d/status".formatted(pid()))).stream()
                .filter(line -> line.startsWith("VmHWM:"))
                .mapToDouble(line -> 1024 * Double.parseDouble(line.replaceAll("[^0-9]", "")))
                .findFirst()
                .orElseThrow(() -> new IOException("process %d has no VmHWM".formatted(pid())));
    }

    /** Bytes of the Java heap in use now, garbage included. */
    double heapBytes() throws IOException, InterruptedException {
        return metric(HEAP);
    }

    /** The sum of the series that begin like this. */
    double metric(String beginning) throws IOException, InterruptedException {
        URI metrics = URI.create("http://" + ready.get("http").getAsString() + "/metrics");
        String page = http.send(HttpRequest.newBuilder(metrics).build(), HttpResponse.BodyHandlers.ofString())
                .body();
        List<String> lines =
                page.lines().filter(line -> line.startsWith(beginning)).toList();
        if (lines.isEmpty()) {
            throw new IOException("%s has no %s".formatted(metrics, beginning));
        }
        return lines.stream()
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                .sum();
    }

    /** Its process id, another one after each start. */
    public long pid() {
        return ready.get("pid").getAsLong();
    }

    /** Collects the server's garbage. */
    void collectGarbage() throws IOException, InterruptedException {
        String jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd").toString();
        int status = new ProcessBuilder(jcmd, Long.toString(pid()), "GC.run")
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
        if (status != 0) {
            throw new IOException("jcmd %d GC.run ended with %d".formatted(pid(), status));
        }
    }

    /** SIGTERM, and the files are gone. */
    @Override
    public void close() {
        process.destroy();
        process.onExit().orTimeout(PATIENCE.toSeconds(), TimeUnit.SECONDS).join();
        Runtime.getRuntime().removeShutdownHook(killer);
        delete(folder);
    }

    private static void delete(Path folder) {
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        } catch (IOException e) {
            System.err.println("cannot delete " + folder + ": " + e.getMessage());
        }
    }
}
