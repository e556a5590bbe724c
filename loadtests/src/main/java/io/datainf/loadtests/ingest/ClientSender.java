package io.datainf.loadtests.ingest;

import io.datainf.client.DataInfClient;
import io.datainf.client.RunDescription;
import io.datainf.client.SampleWriter;

/** One writer of our Java client, with the options that it has by itself. */
final class ClientSender implements JavaSender.Sender {

    private final DataInfClient client;
    private final SampleWriter writer;
    private final float[][] rows;
    private final int count;
    private final int number;

    ClientSender(String target, String runId, int number, int count) throws InterruptedException {
        this.client = DataInfClient.connect(target);
        RunDescription run = client.getRun(runId);
        this.writer = client.openWriter(run);
        this.rows = RowPool.rows((int) run.dimension());
        this.count = count;
        this.number = number;
    }

    @Override
    public void warmUp() throws InterruptedException {
        writer.add(number, rows[0]);
        writer.flush();
    }

    @Override
    public void send() throws InterruptedException {
        long firstId = (number + 1L) << 40;
        for (int i = 0; i < count; i++) {
            writer.add(firstId + i, rows[i % rows.length]);
        }
        writer.flush();
    }

    @Override
    public void close() {
        writer.close();
        client.close();
    }
}
