package io.datainf.loadtests.ingest;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.datainf.client.DataInfClient;
import io.datainf.loadtests.ingest.Route.Language;
import io.datainf.loadtests.query.ServerProcess;
import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.SuiteArguments;
import io.datainf.loadtests.report.SuiteReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.logging.Level;
import java.util.logging.Logger;

/** The suite "ingest"; {@code loadtests/run ingest} starts it. */
public final class IngestSuite implements AutoCloseable {

    private static final double LEAST_UNIX_TO_FLIGHT = 1.3;
    private static final double LEAST_TCP_TO_FLIGHT = 1;
    private static final double LEAST_JAVA_TO_RAW = 0.9;
    private static final double MOST_CPU_TO_FLIGHT = 0.9;
    // Room for the memory of four shapes of rows, which is kept for the next transfer; servers with files have one
    // shape.
    // With the clients 16 GB: beyond that, a machine of 24 GB is busy with freeing memory and answers nobody.
    private static final String MOST_MEMORY = "6GiB";
    private static final String SOME_MEMORY = "2GiB";
    private static final String DATAINF = "datainf";

    // As in FaultSuite.
    private static final Logger NETTY = Logger.getLogger("io.netty.bootstrap");

    // How to end what was started, the last first.
    private final Deque<Runnable> ends = new ArrayDeque<>();
    private final Path folder = Files.createTempDirectory("datainf");
    private final Path launcher =
            Path.of(Objects.requireNonNull(System.getProperty("datainf.server"), "datainf.server"));
    private final IngestScale scale;
    private final Senders senders;
    private final JsonObject sinks;
    private final Taker python;
    private final Taker raw;

    private IngestSuite(IngestScale scale) throws IOException {
        this.scale = scale;
        this.senders = opened(new Senders(), Senders::close);
        PeerProcess pythonSinks = opened(PeerProcess.python("sink.py", folder.toString()), PeerProcess::close);
        PeerProcess rawSink = opened(PeerProcess.java(RawSink.class, folder.toString()), PeerProcess::close);
        this.sinks = JsonParser.parseString(pythonSinks.answer()).getAsJsonObject();
        JsonParser.parseString(rawSink.answer()).getAsJsonObject().asMap().forEach(sinks::add);
        this.python = Taker.passive(pythonSinks.pid());
        this.raw = Taker.passive(rawSink.pid());
    }

    /**
     * Runs the suite. Properties: {@code datainf.server}, the launcher; {@code datainf.peers.python}, a Python with our client.
     *
     * @param arguments none, or --quick
     */
    public static void main(String[] arguments) throws Exception {
        NETTY.setLevel(Level.SEVERE);
        IngestScale scale = SuiteArguments.quick(arguments) ? IngestScale.QUICK : IngestScale.FULL;
        List<Figure> figures;
        try (IngestSuite suite = new IngestSuite(scale)) {
            figures = suite.measure();
        }
        SuiteReport.of("ingest", figures).publish();
    }

    private List<Figure> measure() throws Exception {
        Our memory = start("none", MOST_MEMORY);
        List<Figure> figures = new ArrayList<>(compare(memory));
        Our system = start("os", SOME_MEMORY);
        Our disk = start("fsync", SOME_MEMORY);
        figures.addAll(vary(memory, system, disk));
        Route forced = disk.route(Language.PYTHON, true, "Python, Unix socket, fsync");
        figures.addAll(DurabilityFigures.measure(senders, forced, scale));
        Route unix = memory.route(Language.PYTHON, true, "Python, Unix socket");
        figures.addAll(AskedFigures.measure(senders, memory.client(), unix, scale));
        figures.addAll(TrainerFigures.measure(disk.server().target(), scale.trainerSteps()));
        return figures;
    }

    /** Our ways beside others, for rows of the usual length and one writer. */
    private List<Figure> compare(Our memory) throws IOException {
        Route pythonUnix = memory.route(Language.PYTHON, true, "Python, Unix socket");
        Route pythonSocket = pythonUnix.by(DATAINF + "-socket", "Python, Unix socket without shared memory");
        Route pythonTcp = memory.route(Language.PYTHON, false, "Python, TCP");
        Route javaUnix = memory.route(Language.JAVA, true, "Java, Unix socket");
        Route javaTcp = memory.route(Language.JAVA, false, "Java, TCP");
        Route flight = peer(Language.PYTHON, "flight", "flight", python, "Arrow Flight DoPut, TCP");
        Route rawTcp = peer(Language.JAVA, "grpc", "grpc", raw, "raw gRPC, Java, TCP");
        Race race = new Race(senders, scale.bytes());
        List.of(
                        pythonUnix,
                        flight,
                        pythonTcp,
                        pythonSocket,
                        peer(Language.PYTHON, "flight", "flight-unix", python, "Arrow Flight DoPut, Unix socket"),
                        javaTcp,
                        rawTcp,
                        javaUnix,
                        peer(Language.JAVA, "grpc", "grpc-unix", raw, "raw gRPC, Java, Unix socket"),
                        peer(Language.PYTHON, "grpc", "grpc", raw, "raw gRPC, Python, TCP"),
                        peer(Language.PYTHON, "socket", "socket", python, "plain socket, TCP"),
                        peer(Language.PYTHON, "socket", "socket-unix", python, "plain socket, Unix socket"),
                        peer(Language.PYTHON, "memcpy", "socket", python, "memcpy"))
                .forEach(race::enter);
        race.run(scale.warmUpRounds(), scale.rounds());
        List<Figure> figures = new ArrayList<>(race.figures());
        figures.add(Figure.atLeast(
                "Python, Unix socket / Arrow Flight", rates(race, pythonUnix, flight), "x", LEAST_UNIX_TO_FLIGHT));
        figures.add(
                Figure.atLeast("Python, TCP / Arrow Flight", rates(race, pythonTcp, flight), "x", LEAST_TCP_TO_FLIGHT));
        figures.add(Figure.atLeast("Java, TCP / raw gRPC", rates(race, javaTcp, rawTcp), "x", LEAST_JAVA_TO_RAW));
        figures.add(Figure.atMost(
                "Python, Unix socket / Arrow Flight, CPU of both ends",
                race.ratio(pythonUnix, flight, Transfer::secondsPerGigabyte),
                "x",
                MOST_CPU_TO_FLIGHT));
        return figures;
    }

    private static double rates(Race race, Route route, Route base) {
        return race.ratio(route, base, Transfer::gigabytesPerSecond);
    }

    /** One thing at a time other than the usual. */
    private List<Figure> vary(Our memory, Our system, Our disk) throws IOException {
        Route usual = memory.route(Language.PYTHON, true, "Python, Unix socket, usual");
        Route flight = peer(Language.PYTHON, "flight", "flight", python, "Arrow Flight DoPut, TCP, usual");
        Race race = new Race(senders, scale.bytes());
        race.enter(usual);
        for (RowShape shape : List.of(RowShape.USUAL.asBfloat16(), RowShape.SMALL, RowShape.LARGE)) {
            race.enter(usual.with("Python, Unix socket, " + shape.label(), shape, 1));
            race.enter(flight.with("Arrow Flight DoPut, TCP, " + shape.label(), shape, 1));
        }
        for (int writers : new int[] {4, 16}) {
            race.enter(usual.with("Python, Unix socket, %d writers".formatted(writers), RowShape.USUAL, writers));
            race.enter(flight.with("Arrow Flight DoPut, TCP, %d writers".formatted(writers), RowShape.USUAL, writers));
        }
        Route forced = disk.route(Language.PYTHON, true, "Python, Unix socket, fsync");
        race.enter(system.route(Language.PYTHON, true, "Python, Unix socket, os"));
        race.enter(forced);
        race.enter(forced.with(forced.name() + ", 4 writers", RowShape.USUAL, 4));
        race.run(1, scale.variationRounds());
        return race.figures();
    }

    private Route peer(Language language, String path, String sink, Taker taker, String name) {
        return new Route(name, language, path, sinks.get(sink).getAsString(), taker, RowShape.USUAL, 1);
    }

    /** One of our servers. */
    private record Our(ServerProcess server, DataInfClient client) {

        Route route(Language language, boolean unix, String name) {
            String target = unix ? server.target() : server.tcpTarget();
            Taker taker = new Taker.OurServer(server.pid(), client);
            return new Route(name, language, DATAINF, target, taker, RowShape.USUAL, 1);
        }
    }

    private Our start(String durability, String memory) throws IOException, InterruptedException {
        ServerProcess server = opened(
                ServerProcess.start(launcher, List.of("--memory-budget=" + memory, "--durability=" + durability)),
                ServerProcess::close);
        return new Our(server, opened(DataInfClient.connect(server.target()), DataInfClient::close));
    }

    private <T> T opened(T part, Consumer<T> end) {
        ends.push(() -> end.accept(part));
        return part;
    }

    @Override
    public void close() throws IOException {
        while (!ends.isEmpty()) {
            ends.pop().run();
        }
        try (var left = Files.list(folder)) {
            for (Path file : left.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }
}
