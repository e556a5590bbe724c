package io.datainf.loadtests.soak;

import io.datainf.client.DataInfClient;
import io.datainf.client.DataInfException;
import io.datainf.client.RunDescription;
import io.datainf.client.SampleWriter;
import io.datainf.client.WriterOptions;
import io.grpc.Status;
import java.io.IOException;
import java.util.logging.Level;
import java.util.logging.Logger;

/** What {@code loadtests/peers/soak_writer.py} is for Python: the same arguments, the same answers. */
final class JavaWriter {

    private static final int BURST_SAMPLES = 16;
    private static final int PAUSE_MILLIS = 200;

    // As in FaultSuite.
    private static final Logger NETTY = Logger.getLogger("io.netty.bootstrap");

    private JavaWriter() {}

    /** Sends until it is told to stop, or killed. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        NETTY.setLevel(Level.SEVERE);
        int writerNumber = Integer.parseInt(arguments[2]);
        long number = Long.parseLong(arguments[3]);
        WriterOptions options = WriterOptions.defaults()
                .withWriterId("writer-" + writerNumber)
                .withBatchBytes(Integer.parseInt(arguments[4]));
        try (DataInfClient client = DataInfClient.connect(arguments[0]);
                SampleWriter writer = client.openWriter(find(client, arguments[1]), options)) {
            do {
                for (int i = 0; i < BURST_SAMPLES; i++) {
                    long id = SoakSample.id(writerNumber, number++);
                    writer.add(id, SoakSample.gradient(id));
                }
                writer.flush();
                System.out.println("acked " + number);
                Thread.sleep(PAUSE_MILLIS);
            } while (System.in.available() == 0);
        }
        System.out.println("done " + number);
        System.exit(0);
    }

    /** The run, as soon as there is a server: only what was handed to a writer is sent again by itself. */
    private static RunDescription find(DataInfClient client, String runId) throws InterruptedException {
        while (true) {
            try {
                return client.getRun(runId);
            } catch (DataInfException e) {
                if (e.code() != Status.Code.UNAVAILABLE) {
                    throw e;
                }
                Thread.sleep(PAUSE_MILLIS);
            }
        }
    }
}
