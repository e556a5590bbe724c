package io.datainf.sidecar.rpc;

import io.datainf.engine.run.Run;
import java.util.SplittableRandom;

/** Gradients of two blocks, of 6 and 3 elements, with norms over some decades. */
final class RandomRun {

    static final int DIMENSION = 9;
    static final int[] WIDTHS = {6, 3};

    private RandomRun() {}

    static float[][] rows(int count, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        float[][] rows = new float[count][DIMENSION];
        for (float[] row : rows) {
            double norm = Math.exp(random.nextGaussian());
            for (int j = 0; j < row.length; j++) {
                row[j] = (float) (norm * random.nextGaussian());
            }
        }
        return rows;
    }

    /** Creates a run and stores rows with ids 10, 11, ... */
    static Run create(TestServer server, String id, float[]... rows) throws Exception {
        Run run = server.createRun(id, WIDTHS);
        append(server, run, 1, 10, rows);
        return run;
    }

    static void append(TestServer server, Run run, int writer, long firstId, float[]... rows) throws Exception {
        TestWriter stream = TestWriter.open(server, run.definition(), "w" + writer);
        stream.send(Wire.batch(1, firstId, rows));
        stream.ackOf(1);
        stream.halfClose();
        stream.endsWell();
    }
}
