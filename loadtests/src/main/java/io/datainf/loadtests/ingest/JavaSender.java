package io.datainf.loadtests.ingest;

import com.google.gson.Gson;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.logging.Level;
import java.util.logging.Logger;

/** What {@code loadtests/peers/sender.py} is for Python: sends rows in a process of its own, by our client or as raw gRPC messages. */
final class JavaSender {

    // As in FaultSuite.
    private static final Logger NETTY = Logger.getLogger("io.netty.bootstrap");
    private static final Gson GSON = new Gson();

    /** One writer, connected. */
    interface Sender extends AutoCloseable {

        /** Sends something, so that the way is known to be open. */
        void warmUp() throws Exception;

        /** Sends all rows, and returns when they are there. */
        void send() throws Exception;

        @Override
        void close();
    }

    private JavaSender() {}

    /** Obeys standard input. */
    public static void main(String[] arguments) throws Exception {
        NETTY.setLevel(Level.SEVERE);
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            obey(GSON.fromJson(line, Command.class), commands);
        }
        System.exit(0);
    }

    private static void obey(Command command, BufferedReader commands) throws Exception {
        if (!command.dtype().equals("f32")) {
            throw new IllegalArgumentException("dtype is '%s': expected f32".formatted(command.dtype()));
        }
        int count = (int) Math.max(1, command.bytes() / command.writers() / ((long) command.elements() * Float.BYTES));
        List<Sender> senders = new ArrayList<>();
        try {
            for (int writer = 0; writer < command.writers(); writer++) {
                Sender sender = connect(command, command.firstWriter() + writer, count);
                senders.add(sender);
                sender.warmUp();
            }
            System.out.println("ready");
            if (commands.readLine() == null) {
                return;
            }
            send(senders);
            System.out.println((long) senders.size() * count * command.elements() * Float.BYTES);
        } finally {
            senders.forEach(Sender::close);
        }
        System.out.println("closed");
    }

    private static Sender connect(Command command, int writer, int count) throws IOException, InterruptedException {
        return switch (command.path()) {
            case "datainf" -> new ClientSender(command.target(), command.name(), writer, count);
            case "grpc" -> new RawSender(command.target(), RowPool.messages(command.elements()), count);
            default -> throw new IOException("path is '%s': expected datainf or grpc".formatted(command.path()));
        };
    }

    private static void send(List<Sender> senders) throws Exception {
        List<Callable<Boolean>> tasks = new ArrayList<>();
        for (Sender sender : senders) {
            tasks.add(() -> {
                sender.send();
                return true;
            });
        }
        try (ExecutorService threads = Executors.newFixedThreadPool(senders.size())) {
            for (Future<Boolean> done : threads.invokeAll(tasks)) {
                boolean ignored = done.get();
            }
        }
    }
}
